"""What is put right, refused and warned of in StorageClasses. Parameters can never be changed, so they are the point.

The keys below `csi.storage.k8s.io/` are external-provisioner's; it refuses every claim of a class that gets one wrong.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from model.meta import JSON
from model.names import BETA_DEFAULT_CLASS, DEFAULT_CLASS, NO_PROVISIONER
from model.volumes import BindingMode, StorageClass, TopologyTerm
from storage.classes import default_class, is_default
from webhooks.rules.facts import Facts
from webhooks.rules.normal import CURRENT_TOPOLOGY, trimmed
from webhooks.rules.patch import put, rename
from webhooks.rules.rule import Denial, Effect, Operation, Reason, Review, Warn
from webhooks.rules.volume import annotation_moved

ClassReview = Review[StorageClass]

RESERVED: Final = "csi.storage.k8s.io/"
FSTYPE: Final = f"{RESERVED}fstype"
SECRETS: Final = tuple(
    f"{RESERVED}{stage}secret-"
    for stage in (
        "",
        "provisioner-",
        "controller-publish-",
        "node-stage-",
        "node-publish-",
        "controller-expand-",
        "node-expand-",
        "controller-modify-",
    )
)
"""Each followed by `name` and `namespace`."""
KNOWN: Final = frozenset({FSTYPE, *(f"{secret}{half}" for secret in SECRETS for half in ("name", "namespace"))})
IN_TREE: Final = "kubernetes.io/"


def default_annotation(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """Move the mark of the default class from the deprecated annotation to the current one."""
    annotations = review.subject.annotations
    deprecated, current = annotations.get(BETA_DEFAULT_CLASS), annotations.get(DEFAULT_CLASS)
    if deprecated is None:
        return
    if current in (None, deprecated) or _changes_deprecated_mark_alone(review):
        yield from put(review.raw, ("metadata", "annotations", DEFAULT_CLASS), deprecated)
        yield from annotation_moved(review.raw, BETA_DEFAULT_CLASS, facts)
    elif review.sets(_marks):
        yield Warn(
            f"annotations {BETA_DEFAULT_CLASS} and {DEFAULT_CLASS} disagree; "
            'the class is default while either is "true"',
            f"metadata.annotations[{BETA_DEFAULT_CLASS}]",
        )


def _marks(storage_class: StorageClass) -> tuple[str | None, str | None]:
    return storage_class.annotations.get(BETA_DEFAULT_CLASS), storage_class.annotations.get(DEFAULT_CLASS)


def _changes_deprecated_mark_alone(review: ClassReview) -> bool:
    if review.old is None:
        return False
    (deprecated, current), (was_deprecated, was_current) = _marks(review.subject), _marks(review.old)
    return deprecated != was_deprecated and current == was_current


def topology_keys(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """Exchange deprecated topology keys where the driver is known to use the current ones."""
    terms = review.subject.allowed_topologies or ()
    if not review.sets(lambda storage_class: storage_class.allowed_topologies):
        return
    written = {expression.key for term in terms for expression in term.match_label_expressions or ()}
    exchanged = {
        old: new
        for old, new in CURRENT_TOPOLOGY.items()
        if old in written and _uses_current(review.subject.provisioner, old, new, facts)
    }
    renamed = [_exchangeable(term, exchanged) for term in terms]
    if len({_meaning(term, keys) for term, keys in zip(terms, renamed, strict=True)}) < len(terms):
        return
    for position, (term, keys) in enumerate(zip(terms, renamed, strict=True)):
        for place, expression in enumerate(term.match_label_expressions or ()):
            if expression.key in keys:
                path = ("allowedTopologies", position, "matchLabelExpressions", place, "key")
                yield from put(review.raw, path, keys[expression.key])


def _uses_current(provisioner: str, deprecated: str, current: str, facts: Facts) -> bool:
    registered = {
        key
        for node in facts.csi_nodes()
        for driver in node.spec.drivers or ()
        if driver.name == provisioner
        for key in driver.topology_keys or ()
    }
    return provisioner.startswith(IN_TREE) or (current in registered and deprecated not in registered)


def _exchangeable(term: TopologyTerm, exchanged: Mapping[str, str]) -> dict[str, str]:
    present = {expression.key for expression in term.match_label_expressions or ()}
    return {old: new for old, new in exchanged.items() if old in present and new not in present}


def _meaning(term: TopologyTerm, keys: Mapping[str, str]) -> frozenset[tuple[str, frozenset[str]]]:
    return frozenset(
        (keys.get(each.key, each.key), frozenset(each.values or ())) for each in term.match_label_expressions or ()
    )


def parameter_keys(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """Spell reserved parameter keys as the provisioner knows them."""
    if review.operation is Operation.UPDATE:
        yield from stored_parameters(review, spelt)
        return
    for wrong, right in _misspelt(review.subject.parameters or {}).items():
        yield rename(("parameters",), wrong, right)


def parameter_values(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """Trim parameter values; texts of several lines stay as they are."""
    if review.operation is Operation.UPDATE:
        yield from stored_parameters(review, spelt)
        return
    for key, value in (review.subject.parameters or {}).items():
        yield from put(review.raw, ("parameters", key), _trimmed_value(value))


def stored_parameters(review: ClassReview, spell: Callable[[str], str]) -> Iterator[JSON]:
    """Put the stored parameters back where the request's mean the same: they are immutable.

    Applying a manifest again brings a misspelt key back beside the right one, as the right one is not in the manifest.
    """
    given, stored = review.subject.parameters or {}, (review.old.parameters if review.old else None) or {}
    if given != stored and _as_stored(given, stored, spell) == stored:
        yield from put(review.raw, ("parameters",), stored)


def _as_stored(
    given: Mapping[str, str], stored: Mapping[str, str], spell: Callable[[str], str]
) -> dict[str, str] | None:
    """Parameters with values trimmed and new keys spelt right; None where two spellings of a key disagree."""
    normal: dict[str, str] = {}
    for key, value in given.items():
        meant = key if key in stored else spell(key)
        if normal.setdefault(meant, _trimmed_value(value)) != _trimmed_value(value):
            return None
    return normal


def _misspelt(parameters: Mapping[str, str]) -> dict[str, str]:
    """Keys that are a known one but for blanks, colons, case or underscores, each with that one."""
    intended = {key: _intended(key) for key in parameters}
    rivals = Counter(intended.values())
    return {key: right for key, right in intended.items() if right in KNOWN and key != right and rivals[right] == 1}


def spelt(key: str) -> str:
    """A reserved key as the provisioner knows it; others as they are."""
    return _intended(key) if _intended(key) in KNOWN else key


def _intended(key: str) -> str:
    return re.sub(r"[\s:]+$", "", key.strip()).lower().replace("_", "-") if key.strip().startswith(RESERVED) else key


def _trimmed_value(value: str) -> str:
    trimmed_value = value.strip()
    return value if not trimmed_value or "\n" in trimmed_value else trimmed_value


def mount_options(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """Trim mount options; volumes made for the class get them as they are."""
    options = review.subject.mount_options
    if options and review.sets(lambda storage_class: storage_class.mount_options):
        yield from put(review.raw, ("mountOptions",), trimmed(options))


def secret_pairs(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """A secret is named by name and namespace, or not at all."""
    parameters = review.subject.parameters or {}
    if review.subject.provisioner.startswith(IN_TREE):
        return
    for secret in SECRETS:
        halves = (f"{secret}name", f"{secret}namespace")
        given = [half for half in halves if half in parameters]
        if len(given) == 1:
            missing = next(half for half in halves if half not in given)
            message = f"parameter {missing} is missing; name and namespace of a secret must be given together"
            yield _invalid(message, missing)
        elif any(not parameters[half] for half in given):
            yield _invalid(f"parameters {halves[0]} and {halves[1]} must not be empty", given[0])


def file_system_types(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """The file system type is given once."""
    keys = [key for key in review.subject.parameters or {} if key.lower() == "fstype" or key == FSTYPE]
    if len(keys) > 1 and not review.subject.provisioner.startswith(IN_TREE):
        yield _invalid(f"the file system type is given by {' and '.join(keys)}; keep only {FSTYPE}", keys[0])


def _invalid(message: str, key: str) -> Denial:
    return Denial(message, f"parameters[{key}]", Reason.INVALID)


def unknown_keys(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """A reserved key that nobody knows."""
    for key in review.subject.parameters or {}:
        if key.startswith(RESERVED) and key not in KNOWN:
            message = f"parameter {key} is not known; the prefix is reserved and provisioning will fail"
            yield Warn(message, f"parameters[{key}]")


def multiple_defaults(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """A second default class. Having two for a moment is how the default is switched, so it is no refusal."""
    subject = review.subject
    if not is_default(subject) or (review.old is not None and is_default(review.old)):
        return
    defaults = [subject, *(each for each in facts.storage_classes() if is_default(each) and each.name != subject.name)]
    newest = default_class(defaults)
    if len(defaults) > 1 and newest is not None:
        listed = ", ".join(sorted(each.name for each in defaults))
        message = f"more than one default StorageClass: {listed}; claims without class get {newest.name}"
        yield Warn(message, f"metadata.annotations[{DEFAULT_CLASS}]")


def unknown_topology_keys(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """A topology key that no node carries and no driver registered."""
    nodes = facts.nodes()
    if not (facts.complete and nodes and review.sets(lambda storage_class: storage_class.allowed_topologies)):
        return
    terms = review.subject.allowed_topologies or ()
    wanted = [each.key for term in terms for each in term.match_label_expressions or ()]
    for key in dict.fromkeys(wanted):
        if not any(key in node.labels for node in nodes) and not _is_registered(key, facts):
            yield Warn(f"allowedTopologies key {key} is on no node", "allowedTopologies")


def _is_registered(key: str, facts: Facts) -> bool:
    drivers = (driver for node in facts.csi_nodes() for driver in node.spec.drivers or ())
    return any(key in (driver.topology_keys or ()) for driver in drivers)


def immediate_local(review: ClassReview, _facts: Facts) -> Iterator[Effect]:
    """Local volumes bound before a pod is placed pin it to a node that may be full."""
    subject = review.subject
    if subject.provisioner == NO_PROVISIONER and subject.volume_binding_mode in (None, BindingMode.IMMEDIATE):
        yield Warn("local volumes should use volumeBindingMode WaitForFirstConsumer", "volumeBindingMode")


def delete_in_use(review: ClassReview, facts: Facts) -> Iterator[Effect]:
    """Claims outlive their class, but lose what it does for them."""
    count = len(facts.claims_of_class(review.subject.name))
    if count:
        yield Warn(
            f"StorageClass {review.subject.name} is still used by {count} claim(s); "
            "they cannot be expanded or provisioned while it is missing"
        )
