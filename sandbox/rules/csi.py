"""What makes the objects of CSI invalid: CSINode, CSIDriver, CSIStorageCapacity, VolumeAttachment.

Source: the fields of these kinds in the Kubernetes API reference.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from model.meta import JSON
from sandbox.errors import FieldError, Problem
from sandbox.rules import names, volumes
from sandbox.rules.checks import (
    chosen,
    driver_name,
    duplicates,
    fixed,
    named,
    needed_name,
    not_negative,
    size_bytes,
    unchanged,
)
from sandbox.rules.selectors import label_selector

_LONGEST_NODE_ID: Final = 256
_LONGEST_DRIVER: Final = 63
_METADATA_BYTES: Final = 256 * 1024
_MESSAGE_BYTES: Final = 1024
_LEAST_TOKEN_SECONDS: Final = 600
_MOST_TOKEN_SECONDS: Final = 1 << 32
_LEAST_UPDATE_SECONDS: Final = 10
_ONE_SOURCE: Final = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def new_node(obj: JSON) -> Iterator[FieldError]:
    """Objections to a CSINode in any state."""
    drivers = (obj.get("spec") or {}).get("drivers") or ()
    for index, driver in enumerate(drivers):
        yield from _node_driver(f"spec.drivers[{index}]", driver)
    yield from duplicates((f"spec.drivers[{index}].name", each.get("name", "")) for index, each in enumerate(drivers))


def changed_node(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a CSINode: of a driver that stays only the limit may change."""
    before = {each.get("name"): each for each in (old.get("spec") or {}).get("drivers") or ()}
    for driver in (obj.get("spec") or {}).get("drivers") or ():
        if (was := before.get(driver.get("name"))) is not None:
            yield from unchanged("spec.drivers", _without_limit(driver), _without_limit(was))


def _without_limit(driver: JSON) -> JSON:
    return {key: value for key, value in driver.items() if key != "allocatable"}


def _node_driver(path: str, driver: JSON) -> Iterator[FieldError]:
    yield from driver_name(f"{path}.name", driver.get("name", ""))
    node_id = driver.get("nodeID", "")
    if not node_id:
        yield FieldError.required(f"{path}.nodeID")
    if len(node_id) > _LONGEST_NODE_ID:
        yield FieldError.invalid(f"{path}.nodeID", node_id, f"must be {_LONGEST_NODE_ID} characters or less")
    count = (driver.get("allocatable") or {}).get("count")
    if count is not None and count < 0:
        yield FieldError.invalid(f"{path}.allocatable.count", count, "must be greater than or equal to 0")
    keys = driver.get("topologyKeys") or ()
    yield from duplicates((path, key) for key in keys)
    for key in keys:
        if not key:
            yield FieldError.required(path)
        yield from named(path, key, names.qualified_name)


def new_driver(obj: JSON) -> Iterator[FieldError]:
    """Objections to a CSIDriver in any state."""
    spec = obj.get("spec") or {}
    if (policy := spec.get("fsGroupPolicy")) is not None:
        yield from chosen("spec.fsGroupPolicy", policy, ("ReadWriteOnceWithFSType", "File", "None"))
    yield from _token_requests("spec.tokenRequests", spec.get("tokenRequests") or ())
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in {"Persistent", "Ephemeral"}:
            yield FieldError.not_supported("spec.volumeLifecycleModes", mode, ("Persistent", "Ephemeral"))
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < _LEAST_UPDATE_SECONDS:
        why = f"must be greater than or equal to {_LEAST_UPDATE_SECONDS} seconds"
        yield FieldError.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, why)
    in_secrets = spec.get("serviceAccountTokenInSecrets")
    if in_secrets is not None and not spec.get("tokenRequests"):
        why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield FieldError.invalid("spec.serviceAccountTokenInSecrets", in_secrets, why)


def changed_driver(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a CSIDriver."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    # The real server misspells the first path.
    for field, path in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
        yield from unchanged(f"spec.{path}", spec.get(field), before.get(field))


def _token_requests(path: str, requests: Sequence[JSON]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, request in enumerate(requests):
        audience, seconds = request.get("audience", ""), request.get("expirationSeconds")
        if audience in seen:
            yield FieldError.duplicate(f"{path}[{index}].audience", audience)
            continue
        seen.add(audience)
        if seconds is not None and seconds < _LEAST_TOKEN_SECONDS:
            why = "may not specify a duration less than 10 minutes"
            yield FieldError.invalid(f"{path}[{index}].expirationSeconds", seconds, why)
        if seconds is not None and seconds > _MOST_TOKEN_SECONDS:
            why = "may not specify a duration larger than 2^32 seconds"
            yield FieldError.invalid(f"{path}[{index}].expirationSeconds", seconds, why)


def new_capacity(obj: JSON) -> Iterator[FieldError]:
    """Objections to a CSIStorageCapacity in any state."""
    if (topology := obj.get("nodeTopology")) is not None:
        yield from label_selector("nodeTopology", topology)
    yield from named("storageClassName", obj.get("storageClassName", ""), names.dns_subdomain)
    if (capacity := obj.get("capacity")) is not None:
        yield from not_negative("capacity", capacity)


def changed_capacity(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a CSIStorageCapacity: what it is the capacity of stays."""
    for field in ("nodeTopology", "storageClassName"):
        yield from unchanged(field, obj.get(field), old.get(field))


def new_attachment(obj: JSON) -> Iterator[FieldError]:
    """Objections to a VolumeAttachment in any state."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    yield from _attacher("spec.attacher", spec.get("attacher", ""))
    yield from _attached("spec.source", spec.get("source") or {})
    yield from named("spec.nodeName", spec.get("nodeName", ""), names.dns_subdomain)
    yield from _attachment_status(status)
    volume = (spec.get("source") or {}).get("persistentVolumeName")
    if volume is not None:
        yield from named("spec.source.persistentVolumeName", volume, names.dns_subdomain)


def _attacher(path: str, name: str) -> Iterator[FieldError]:
    """The name of a driver, in the newer words for it."""
    if len(name) > _LONGEST_DRIVER:
        yield FieldError(Problem.TOO_LONG, path, f"may not be more than {_LONGEST_DRIVER} characters")
    yield from needed_name(path, name, names.dns_subdomain_of_any_case)


def changed_attachment(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a VolumeAttachment."""
    yield from fixed("spec", obj.get("spec"), old.get("spec"))


def changed_status(obj: JSON, _old: JSON) -> Iterator[FieldError]:
    """Objections to what an attacher made of the status of a VolumeAttachment."""
    return _attachment_status(obj.get("status") or {})


def _attachment_status(status: JSON) -> Iterator[FieldError]:
    """Objections to what an attacher says of an attachment."""
    if size_bytes(status.get("attachmentMetadata") or {}) > _METADATA_BYTES:
        yield FieldError.too_long("status.attachmentMetadata", _METADATA_BYTES)
    for field in ("attachError", "detachError"):
        error = status.get(field) or {}
        if len((error.get("message") or "").encode()) > _MESSAGE_BYTES:
            yield FieldError.too_long(f"status.{field}.message", _MESSAGE_BYTES)
        if (error.get("errorCode") or 0) < 0:
            why = f"must be between 0 and {2**31 - 1}, inclusive"
            yield FieldError.invalid(f"status.{field}.errorCode", error["errorCode"], why)


def _attached(path: str, source: JSON) -> Iterator[FieldError]:
    inline, volume = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    if inline is None and volume is None:
        yield FieldError.required(path, _ONE_SOURCE)
    elif inline is not None and volume is not None:
        yield FieldError.forbidden(path, _ONE_SOURCE)
    elif volume is not None:
        if not volume:
            why = "must specify non empty persistentVolumeName"
            yield FieldError.required(f"{path}.persistentVolumeName", why)
    elif inline is not None:
        yield from volumes.inline(f"{path}.inlineVolumeSpec", inline)
