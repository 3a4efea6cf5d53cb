"""How PersistentVolumes are brought into their current form. Refusals and warnings: volume_checks.py.

What a volume can not change after creation (handle, node affinity) follows one law on updates: put back what is
stored if the request means the same, else leave the request alone. Without it, applying a manifest again would fail.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from model.meta import JSON, ObjectReference
from model.names import (
    BETA_STORAGE_CLASS,
    BOUND_BY_CONTROLLER,
    MOUNT_OPTIONS,
    REGION,
    ZONE,
)
from model.selectors import Labels
from model.volumes import PersistentVolume, VolumeSpec
from webhooks.rules.facts import ClaimNeed, Facts, Need
from webhooks.rules.normal import (
    CURRENT_KEYS,
    CURRENT_TOPOLOGY,
    distinct,
    is_replaceable,
    same_options,
    trimmed,
    whole_bytes,
)
from webhooks.rules.patch import drop, put, read
from webhooks.rules.rule import Effect, Review, Warn

VolumeReview = Review[PersistentVolume]

TERMS: Final = ("spec", "nodeAffinity", "required", "nodeSelectorTerms")
ZONE_SEPARATOR: Final = "__"
"""Between the zones of a replicated disk in one label value."""


def topology_labels(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Add the current zone and region labels beside deprecated ones, which stay: claims may select by them."""
    for deprecated, current in CURRENT_TOPOLOGY.items():
        yield from _topology_label(review, facts, deprecated, current)


def _topology_label(review: VolumeReview, facts: Facts, deprecated: str, current: str) -> Iterator[Effect]:
    labels = review.subject.labels
    value = labels.get(deprecated)
    if not value:
        return
    path = ("metadata", "labels", current)
    if current not in labels:
        if is_replaceable(deprecated, facts):
            yield from put(review.raw, path, value)
    elif _changes_deprecated_alone(review, deprecated, current):
        yield from put(review.raw, path, value)
    elif labels[current] not in ("", value) and _sets_labels(review, deprecated, current):
        message = f"labels {deprecated}={value} and {current}={labels[current]} disagree; neither was changed"
        yield Warn(message, f"metadata.labels[{current}]")


def _changes_deprecated_alone(review: VolumeReview, deprecated: str, current: str) -> bool:
    """Whether both labels agreed before, and only the deprecated one has another value now."""
    if review.old is None:
        return False
    labels, before = review.subject.labels, review.old.labels
    return (
        labels[deprecated] != before.get(deprecated)
        and before.get(deprecated) == before.get(current) == labels[current]
    )


def _sets_labels(review: VolumeReview, *keys: str) -> bool:
    return review.sets(lambda volume: tuple(volume.labels.get(key) for key in keys))


def affinity_keys(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Exchange deprecated label keys in the node affinity for the current ones."""
    terms = _terms(review.raw)
    stored = _terms(review.old_raw)
    if not stored:
        written = _keys_of(terms)
        safe = {old: new for old, new in CURRENT_KEYS.items() if old in written and is_replaceable(old, facts)}
        yield from _exchange_keys(review.raw, safe)
    elif terms != stored:
        # Which keys were exchanged when the volume was stored shows in it, whatever the nodes carry today.
        used = _keys_of(stored)
        exchanged = {old: new for old, new in CURRENT_KEYS.items() if new in used}
        if [_with_keys(term, exchanged) for term in terms] == stored:
            yield from _exchange_keys(review.raw, exchanged)


def _exchange_keys(raw: JSON, exchanged: Mapping[str, str]) -> Iterator[JSON]:
    for position, term in enumerate(_terms(raw)):
        if term.get("matchExpressions"):
            yield from put(raw, (*TERMS, position, "matchExpressions"), _expressions_with_keys(term, exchanged))


def _with_keys(term: JSON, exchanged: Mapping[str, str]) -> JSON:
    return (
        term | {"matchExpressions": _expressions_with_keys(term, exchanged)} if term.get("matchExpressions") else term
    )


def _expressions_with_keys(term: JSON, exchanged: Mapping[str, str]) -> list[JSON]:
    """The expressions of a term with other keys; one that an exchange made equal to an earlier one is left out."""
    kept: list[JSON] = []
    seen: dict[object, bool] = {}
    for before in term["matchExpressions"]:
        after = before | {"key": exchanged.get(before["key"], before["key"])}
        meaning, is_new = _meaning(after), after != before
        if meaning in seen and (is_new or seen[meaning]):
            continue
        seen.setdefault(meaning, is_new)
        kept.append(after)
    return kept


def _meaning(expression: JSON) -> tuple[Any, Any, frozenset[str]]:
    return expression.get("key"), expression.get("operator"), frozenset(expression.get("values") or ())


def _terms(raw: JSON | None) -> list[JSON]:
    return read(raw, *TERMS) or []


def _keys_of(terms: Iterable[JSON]) -> set[str]:
    return {expression["key"] for term in terms for expression in term.get("matchExpressions") or ()}


def zone_affinity(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Write as node affinity what the scheduler enforces through zone and region labels anyway."""
    return affinity_of_labels(review, lambda: _keys_on_every_node(facts))


def affinity_of_labels(review: VolumeReview, usable: Callable[[], Collection[str]]) -> Iterator[Effect]:
    """Write zone and region labels as node affinity, those of the usable keys, or put back what is stored."""
    stored = _terms(review.old_raw)
    if _terms(review.raw) or review.subject.spec.local is not None or (review.old is not None and not stored):
        return
    if not review.subject.labels.keys() & {ZONE, REGION}:
        return
    keys = _keys_of(stored) if stored else usable()
    expressions = _zone_expressions(review.subject.labels, keys)
    terms = [{"matchExpressions": expressions}]
    if expressions and stored in ([], terms):
        yield from put(review.raw, TERMS, terms)


def _zone_expressions(labels: Labels, keys: Collection[str]) -> list[JSON]:
    """One expression for each of zone and region among `keys`; none at all where labels disagree or are malformed."""
    if any(labels.get(old) and labels.get(new) and labels[old] != labels[new] for old, new in CURRENT_TOPOLOGY.items()):
        return []
    expressions = []
    for key in (ZONE, REGION):
        if key not in labels:
            continue
        values = sorted({part.strip() for part in labels[key].split(ZONE_SEPARATOR)})
        if "" in values:
            return []
        if key in keys:
            expressions.append({"key": key, "operator": "In", "values": values})
    return expressions


def _keys_on_every_node(facts: Facts) -> set[str]:
    nodes = facts.nodes()
    if not (facts.complete and nodes):
        return set()
    return {key for key in (ZONE, REGION) if all(key in node.labels for node in nodes)}


def class_annotation(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Move the class from the deprecated annotation, which wins wherever it is read, into the field."""
    wanted, field = review.subject.annotations.get(BETA_STORAGE_CLASS), review.subject.spec.storage_class_name
    if wanted is None or not _sets_annotation(review, facts, BETA_STORAGE_CLASS, lambda spec: spec.storage_class_name):
        return
    if field and field != wanted:
        yield both_classes(wanted, field)
    if wanted or field:
        yield from put(review.raw, ("spec", "storageClassName"), wanted)
    yield from annotation_moved(review.raw, BETA_STORAGE_CLASS, facts)


def _sets_annotation(review: VolumeReview, facts: Facts, key: str, field: Callable[[VolumeSpec], object]) -> bool:
    """Whether this request sets the annotation; of one that is kept beside its field, whether it sets either."""
    if facts.policy.keep_annotations:
        return review.sets(lambda volume: (volume.annotations.get(key), field(volume.spec)))
    return review.sets(lambda volume: volume.annotations.get(key))


def annotation_moved(raw: JSON, key: str, facts: Facts) -> Iterator[JSON]:
    """Remove an annotation that was copied, unless policy keeps them."""
    return iter(()) if facts.policy.keep_annotations else drop(raw, ("metadata", "annotations", key))


def both_classes(annotation: str, field: str) -> Warn:
    """The warning that annotation and field name different classes."""
    return Warn(
        f"both annotation {BETA_STORAGE_CLASS}={annotation} and spec.storageClassName={field} are set; "
        "the annotation was used",
        "spec.storageClassName",
    )


def mount_options_annotation(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Move mount options from the annotation, which CSI volumes ignore, into the field."""
    text, field = review.subject.annotations.get(MOUNT_OPTIONS), review.subject.spec.mount_options or ()
    if text is None or not _sets_annotation(review, facts, MOUNT_OPTIONS, lambda spec: spec.mount_options):
        return
    options = trimmed(text.split(","))
    if trimmed(field) and not same_options(options, field):
        message = f"annotation {MOUNT_OPTIONS} and spec.mountOptions disagree; neither was changed"
        yield Warn(message, "spec.mountOptions")
        return
    if options and not trimmed(field):
        yield from put(review.raw, ("spec", "mountOptions"), options)
    yield from annotation_moved(review.raw, MOUNT_OPTIONS, facts)


def mount_options(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Trim mount options; they are passed on as they are, and the kernel knows no blanks."""
    options = review.subject.spec.mount_options
    if options and review.sets(lambda volume: volume.spec.mount_options):
        yield from put(review.raw, ("spec", "mountOptions"), trimmed(options))


def volume_handle(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Trim the CSI volume handle: drivers compare it literally, and it can not be changed later."""
    csi = review.subject.spec.csi
    handle = csi.volume_handle.strip() if csi else ""
    stored = read(review.old_raw, "spec", "csi", "volumeHandle")
    if handle and stored in (None, handle):
        yield from put(review.raw, ("spec", "csi", "volumeHandle"), handle)


def access_modes(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Keep the first occurrence of each access mode: drivers are given the first of the list."""
    modes = review.subject.spec.access_modes
    if modes and review.sets(lambda volume: volume.spec.access_modes):
        yield from put(review.raw, ("spec", "accessModes"), distinct(modes))


def whole_capacity(review: VolumeReview, _facts: Facts) -> Iterator[Effect]:
    """Round a capacity with a fraction of a byte up; claims of the same figure are rounded down and fit."""
    size = _capacity(review.subject)
    if size is not None and review.sets(_capacity):
        yield from put(review.raw, ("spec", "capacity", "storage"), whole_bytes(size, up=True))


def _capacity(volume: PersistentVolume) -> str | None:
    return (volume.spec.capacity or {}).get("storage")


def stale_claim(review: VolumeReview, facts: Facts) -> Iterator[Effect]:
    """Turn a reference to a claim that is gone into a reservation by name.

    Left alone, a volume made again from an export is Released at once, and with policy Delete its disk is removed.
    """
    reference = _stale_reference(review, facts)
    if reference is None:
        return
    yield Warn(
        f"claimRef.uid {reference.uid} belongs to a claim that no longer exists; "
        f"the volume is now reserved for {reference.namespace}/{reference.name} by name",
        "spec.claimRef.uid",
    )
    yield from drop(review.raw, ("spec", "claimRef", "uid"))
    yield from drop(review.raw, ("spec", "claimRef", "resourceVersion"))
    yield from drop(review.raw, ("metadata", "annotations", BOUND_BY_CONTROLLER))


def stale_claim_needs(review: VolumeReview, facts: Facts) -> Iterator[Need]:
    """The claim, read live, before it is called gone."""
    reference = _stale_reference(review, facts)
    if reference is not None:
        yield ClaimNeed(reference.namespace, reference.name)


def _stale_reference(review: VolumeReview, facts: Facts) -> ObjectReference | None:
    """The claimRef, if the binder wrote it for a claim that these facts do not hold."""
    reference = review.subject.spec.claim_ref
    # Volumes fresh from a provisioner lack the mark: they are cleaned up only if their claim is found to be gone.
    if reference is None or BOUND_BY_CONTROLLER not in review.subject.annotations or not facts.complete:
        return None
    if not (reference.uid and reference.namespace and reference.name) or not _restores_reservation(review):
        return None
    claim = facts.claim(reference.namespace, reference.name)
    return reference if claim is None or claim.uid != reference.uid else None


def _restores_reservation(review: VolumeReview) -> bool:
    """Whether the volume is new, or what is stored is the reservation that this rule once made of the same export."""
    if review.old is None:
        return True
    by_name = {
        key: each for key, each in review.raw["spec"]["claimRef"].items() if key not in ("uid", "resourceVersion")
    }
    return BOUND_BY_CONTROLLER not in review.old.annotations and by_name == read(review.old_raw, "spec", "claimRef")
