"""Rules of PersistentVolumes that an operator must ask for: they change what was asked, or rest on numbers of his."""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from model.meta import JSON
from model.names import BETA_REGION, BETA_ZONE, PROVISIONED_BY, REGION, ZONE
from model.volumes import PersistentVolume
from storage.translation import PLUGINS, Plugin, TranslationError, plugin_of, to_csi
from webhooks.rules.facts import Facts
from webhooks.rules.patch import drop, put, read
from webhooks.rules.rule import Denial, Effect, Review, Warn
from webhooks.rules.volume import affinity_of_labels
from webhooks.rules.volume_checks import claim_in_use

VolumeReview = Review[PersistentVolume]

_SOURCE_ATTRIBUTES: Final = {"partition": "partition", "cachingMode": "cachingMode", "kind": "kind"}
"""Fields of in-tree sources that drivers are given as attributes, by name."""


def drop_beta_labels(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Remove deprecated zone and region labels from volumes that carry the current ones with the same value."""
    labels = review.subject.labels
    for deprecated, current in ((BETA_ZONE, ZONE), (BETA_REGION, REGION)):
        if labels.get(deprecated) == labels.get(current):
            yield from drop(review.raw, ("metadata", "labels", deprecated))


def zone_affinity_partial(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Write zone and region labels as node affinity even where only some nodes carry such a label."""
    return affinity_of_labels(review, lambda: _keys_on_some_node(facts))


def _keys_on_some_node(facts: Facts) -> Collection[str]:
    return {key for key in (ZONE, REGION) if any(key in node.labels for node in facts.nodes())}


def fs_type(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Fill in the file system type of a CSI volume: without one, fsGroup is not applied."""
    csi = review.subject.spec.csi
    wanted = facts.policy.of(facts.policy.fs_types, csi.driver) if csi else None
    stored = read(review.old_raw, "spec", "csi", "fsType")
    if csi is None or csi.fs_type or not wanted or review.subject.volume_mode == "Block":
        return
    if review.old is None or stored == wanted:
        yield from put(review.raw, ("spec", "csi", "fsType"), wanted)


def static_retain(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Turn policy Delete into Retain on a volume that no provisioner made."""
    volume = review.subject
    if volume.spec.persistent_volume_reclaim_policy == "Delete" and PROVISIONED_BY not in volume.annotations:
        yield from put(review.raw, ("spec", "persistentVolumeReclaimPolicy"), "Retain")


def in_tree_to_csi(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Rewrite an in-tree disk as the CSI volume that the API server's components treat it as. Can not be undone."""
    spec = review.subject.spec
    plugin = plugin_of(spec)
    sources = sum(getattr(spec, each.source) is not None for each in PLUGINS) + (spec.csi is not None)
    if plugin is None or (review.old is None and sources != 1):
        return  # of several sources the server refuses all
    try:
        translated = to_csi(review.subject)
    except TranslationError as error:
        yield Warn(f"{plugin.name} was not rewritten to {plugin.driver}: {error}", "spec")
        return
    field = _field(plugin)
    source = review.raw["spec"][field]
    assert translated.spec.csi is not None
    csi = {"driver": plugin.driver, "volumeHandle": translated.spec.csi.volume_handle, **_carried(source)}
    if review.old is None:
        affinity = msgspec.to_builtins(translated.spec.node_affinity) if translated.spec.node_affinity else None
    elif read(review.old_raw, "spec", "csi") == csi:
        affinity = read(review.old_raw, "spec", "nodeAffinity")
    else:
        return
    yield from drop(review.raw, ("spec", field))
    yield from put(review.raw, ("spec", "csi"), csi)
    if affinity is not None:
        yield from put(review.raw, ("spec", "nodeAffinity"), _without_nulls(affinity))


def _field(plugin: Plugin) -> str:
    head, *rest = plugin.source.split("_")
    return head + "".join(each.capitalize() for each in rest)


def _carried(source: JSON) -> JSON:
    """What an in-tree source says beyond its disk, as a CSI source says it."""
    attributes = {name: str(source[key]) for key, name in _SOURCE_ATTRIBUTES.items() if source.get(key)}
    kept = {key: source[key] for key in ("fsType", "readOnly") if source.get(key)}
    return {**kept, **({"volumeAttributes": attributes} if attributes else {})}


def _without_nulls(value: JSON) -> JSON:
    cleaned: JSON = {}
    for key, each in value.items():
        if isinstance(each, dict):
            cleaned[key] = _without_nulls(each)
        elif isinstance(each, list | tuple):
            cleaned[key] = [_without_nulls(item) if isinstance(item, dict) else item for item in each]
        elif each is not None:
            cleaned[key] = each
    return cleaned


def repoint_strict(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Refuse to hand a volume in use to another claim, with a uid too, unless the user is listed."""
    claim = claim_in_use(review.old, facts) if review.old else None
    new = review.subject.spec.claim_ref
    if review.old is None or claim is None or new is None or review.user in facts.policy.repointers:
        return
    is_another = (new.namespace, new.name) != (claim.namespace, claim.name) or (new.uid and new.uid != claim.uid)
    if is_another:
        yield Denial(
            f"PersistentVolume {review.old.name} is bound to claim {claim.key}, which is still in use; "
            f"claimRef must not be re-pointed to {new.namespace}/{new.name}",
            "spec.claimRef",
        )
