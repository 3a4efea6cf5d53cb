"""Rules of PersistentVolumeClaims that an operator must ask for: limits, defaults and tables of his own."""

from collections.abc import Callable, Iterator

from model import quantity
from model.names import BETA_STORAGE_CLASS, SELECTED_NODE
from model.quantity import NANO, QuantityError
from model.volumes import PersistentVolumeClaim, StorageClass
from storage.classes import default_class
from storage.topology import allows
from webhooks.rules.claim import CLASS_FIELD
from webhooks.rules.claim_checks import REQUEST, requested_size
from webhooks.rules.facts import Facts, Need, NodeNeed
from webhooks.rules.patch import drop, put
from webhooks.rules.rule import Denial, Effect, Review, Warn

ClaimReview = Review[PersistentVolumeClaim]

_SIZE = ("spec", "resources", "requests", "storage")


def driver_missing(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """The class's provisioner has no CSIDriver object, so that nothing may answer."""
    storage_class = _class(review, facts)
    if storage_class is None or not facts.complete or storage_class.provisioner.startswith("kubernetes.io/"):
        return
    if facts.csi_driver(storage_class.provisioner) is None:
        yield Warn(
            f"no CSIDriver {storage_class.provisioner} is registered, which class {storage_class.name} provisions with",
            "spec.storageClassName",
        )


def max_size(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Refuse a request above its class's limit."""
    limit = facts.policy.of(facts.policy.max_sizes, review.subject.storage_class)
    return _limited(review, limit, lambda size, bound: size > bound, "more than the limit")


def min_size(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Refuse a request below its class's least size."""
    limit = facts.policy.of(facts.policy.min_sizes, review.subject.storage_class)
    return _limited(review, limit, lambda size, bound: size < bound, "less than the least")


def _limited(review: ClaimReview, limit: str | None, wrong: Callable[[int, int], bool], what: str) -> Iterator[Effect]:
    size = requested_size(review.subject)
    if limit is None or not review.sets(requested_size):
        return
    try:
        beyond = wrong(quantity.nanos(size), quantity.nanos(limit))
    except QuantityError:
        return  # the server refuses it in its own words
    if beyond:
        name = review.subject.storage_class
        yield Denial(f'request of {size} is {what} of {limit} for class "{name}"', REQUEST)


def size_step(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Round a request up to a multiple of its driver's step."""
    storage_class = _class(review, facts)
    step = facts.policy.of(facts.policy.size_steps, storage_class.provisioner if storage_class else "")
    if step is None or review.subject.spec.volume_name:
        return
    try:
        size, unit = quantity.nanos(requested_size(review.subject)), quantity.nanos(step)
    except QuantityError:
        return
    rounded = -(-size // unit) * unit
    stored = _nanos_of(review.old) if review.old else None
    if size > 0 and rounded != size and stored in (None, rounded):
        yield from put(review.raw, _SIZE, quantity.format_bytes(rounded // NANO))


def _nanos_of(claim: PersistentVolumeClaim) -> int:
    try:
        return quantity.nanos(requested_size(claim))
    except QuantityError:
        return 0


def default_class_of(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Give a claim whose class nobody chose the default of its namespace or workload."""
    claim = review.subject
    default = default_class(facts.storage_classes())
    unchosen = (None, default.name) if default else (None,)
    if claim.spec.storage_class_name not in unchosen or claim.spec.volume_name:
        return
    if BETA_STORAGE_CLASS in claim.annotations:
        return
    wanted = next(
        (each.class_name for each in facts.policy.default_classes if each.applies(claim.namespace, claim.labels)), None
    )
    if wanted is not None and (review.old is None or review.old.spec.storage_class_name == wanted):
        yield from put(review.raw, CLASS_FIELD, wanted)


def access_mode_support(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Refuse access modes that the class's driver does not have."""
    storage_class = _class(review, facts)
    if storage_class is None or review.subject.spec.volume_name:
        return
    modes = facts.policy.access_modes.get(storage_class.provisioner)
    missing = sorted(review.subject.access_modes - set(modes)) if modes is not None else []
    if missing:
        yield Denial(
            f"driver {storage_class.provisioner} of class {storage_class.name} has no access mode "
            f"{' or '.join(missing)}; it has {', '.join(modes or ())}",
            "spec.accessModes",
        )


def selected_node_topology(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Refuse a selected node on which the class does not allow volumes."""
    storage_class, name = _class(review, facts), review.subject.selected_node
    node = facts.node(name) if name else None
    if storage_class is None or node is None or not review.sets(lambda claim: claim.selected_node):
        return
    if not allows(storage_class.allowed_topologies, node.labels):
        yield Denial(
            f"node {name} is outside allowedTopologies of class {storage_class.name}",
            f"metadata.annotations[{SELECTED_NODE}]",
        )


def selected_node_gone(review: ClaimReview, facts: Facts) -> Iterator[Effect]:
    """Remove the selected node of a new claim where no such node exists."""
    name = review.subject.selected_node
    if name is not None and facts.complete and (not name or facts.node(name) is None):
        yield from drop(review.raw, ("metadata", "annotations", SELECTED_NODE))


def selected_node_needs(review: ClaimReview, facts: Facts) -> Iterator[Need]:
    """The node, read live, before it is called gone."""
    name = review.subject.selected_node
    if name and facts.node(name) is None:
        yield NodeNeed(name)


def _class(review: ClaimReview, facts: Facts) -> StorageClass | None:
    return facts.storage_class(review.subject.storage_class) if review.subject.storage_class else None
