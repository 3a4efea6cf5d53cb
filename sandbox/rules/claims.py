"""What makes a PersistentVolumeClaim invalid.

Source: "Persistent Volumes" in the Kubernetes concepts ("Expanding Persistent Volumes Claims" and "Recovering from
Failure" for sizes), and the fields of PersistentVolumeClaim in the API reference.
"""

from collections.abc import Iterator
from typing import Final

from model.meta import JSON
from model.quantity import nanos, whole
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import (
    VOLUME_MODES,
    access_modes,
    chosen,
    difference,
    missing,
    named,
    not_negative,
    positive,
    unchanged,
)
from sandbox.rules.selectors import label_selector

_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_REQUEST: Final = "spec.resources.requests.storage"
_FIXED: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_RESIZE_STATES: Final = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
)


def new(obj: JSON) -> Iterator[FieldError]:
    """Objections to a claim in any state."""
    yield from claim_spec("spec", obj.get("spec") or {})


def claim_spec(path: str, spec: JSON) -> Iterator[FieldError]:
    """Objections to the spec of a claim, or of a template of claims."""
    modes = spec.get("accessModes") or ()
    if not modes:
        yield FieldError.required(f"{path}.accessModes", "at least 1 access mode is required")
    if (selector := spec.get("selector")) is not None:
        yield from label_selector(f"{path}.selector", selector)
    yield from access_modes(f"{path}.accessModes", modes)
    request = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if request is None:
        yield FieldError.required(f"{path}.resources[storage]")
    else:
        yield from positive(f"{path}.resources[storage]", request)
    for field in ("storageClassName", "volumeAttributesClassName"):
        if name := spec.get(field):
            yield from named(f"{path}.{field}", name, names.dns_subdomain)
    if (mode := spec.get("volumeMode")) is not None:
        yield from chosen(f"{path}.volumeMode", mode, VOLUME_MODES)
    yield from _sources(path, spec)


def _sources(path: str, spec: JSON) -> Iterator[FieldError]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, given in (("dataSource", source), ("dataSourceRef", reference)):
        if given is not None:
            yield from _source(f"{path}.{field}", given)
    if source is None or reference is None:
        return
    if reference.get("namespace"):
        why = "may not be specified when dataSourceRef.namespace is specified"
        yield FieldError.invalid(path, {}, why)
    elif any(source.get(field) != reference.get(field) for field in ("apiGroup", "kind", "name")):
        yield FieldError.invalid(path, {}, "must match dataSourceRef")


def _source(path: str, source: JSON) -> Iterator[FieldError]:
    yield from missing(path, source, "name", "kind")
    if group := source.get("apiGroup"):
        yield from named(f"{path}.apiGroup", group, names.dns_subdomain)
    elif source.get("kind") != "PersistentVolumeClaim":
        why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        yield FieldError.invalid(path, source.get("kind") or "", why)
    if namespace := source.get("namespace"):
        yield from named(f"{path}.namespace", namespace, names.dns_label)


def changed(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a claim: what it asks for stays, but for a few fields at their time."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    wanted, fixed = _comparable(obj, old), {**before}
    if not before.get("volumeName") and spec.get("volumeName"):
        fixed["volumeName"] = spec["volumeName"]
    yield from _class_annotation(obj, old)
    if wanted != fixed:
        yield FieldError.forbidden("spec", f"{_FIXED}\n{difference(fixed, wanted)}")
    yield from _size(obj, old)
    yield from unchanged("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    yield from _attributes_class(spec, old)


def _comparable(obj: JSON, old: JSON) -> JSON:
    """The new spec without the changes that are allowed."""
    spec, before = {**(obj.get("spec") or {})}, old.get("spec") or {}
    if _moves_to_field(obj, old):
        spec.pop("storageClassName")
    elif spec.get("storageClassName") is not None and before.get("storageClassName") is None:
        annotation = _annotation(old)
        if annotation is None or spec["storageClassName"] == annotation:
            spec.pop("storageClassName")
    if (obj.get("status") or {}).get("phase") != "Bound":
        return spec
    _put(spec, "volumeAttributesClassName", before.get("volumeAttributesClassName"))
    resources = {**(spec.get("resources") or {})}
    if resources.get("requests"):
        requests = {**resources["requests"]}
        _put(requests, "storage", _request(old))
        spec["resources"] = {**resources, "requests": requests}
    return spec


def _put(holder: JSON, field: str, value: str | None) -> None:
    if value is None:
        holder.pop(field, None)
    else:
        holder[field] = value


def _annotation(obj: JSON) -> str | None:
    value: str | None = (obj["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    return value


def _moves_to_field(obj: JSON, old: JSON) -> bool:
    """Whether the class that the annotation named is now named by the field."""
    was, now = _annotation(old), _annotation(obj)
    name, before = (each.get("spec", {}).get("storageClassName") for each in (obj, old))
    return was is not None and before is None and name == was and now in (None, was)


def _class_annotation(obj: JSON, old: JSON) -> Iterator[FieldError]:
    now, was = _annotation(obj) or "", _annotation(old) or ""
    if now != was and not _moves_to_field(obj, old):
        yield FieldError.invalid(f"metadata.annotations.{_CLASS_ANNOTATION}", now, "field is immutable")


def _request(obj: JSON) -> str | None:
    requests = ((obj.get("spec") or {}).get("resources") or {}).get("requests") or {}
    size: str | None = requests.get("storage")
    return size


def _size(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """A claim may shrink only back to what is more than it has."""
    now, was = nanos(_request(obj) or "0"), nanos(_request(old) or "0")
    has = nanos(((old.get("status") or {}).get("capacity") or {}).get("storage", "0"))
    if now < was and now <= has:
        yield FieldError.forbidden(_REQUEST, "field can not be less than status.capacity")


def _attributes_class(spec: JSON, old: JSON) -> Iterator[FieldError]:
    now, was = spec.get("volumeAttributesClassName"), (old.get("spec") or {}).get("volumeAttributesClassName")
    current = (old.get("status") or {}).get("currentVolumeAttributesClassName")
    if now == was or current is None or now:
        return
    what = "nil" if now is None else "empty string"
    why = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
    yield FieldError.forbidden("spec.volumeAttributesClassName", why)


def status(obj: JSON, _old: JSON) -> Iterator[FieldError]:
    """Objections to what a controller says of a claim."""
    said = obj.get("status") or {}
    for name, quantity in sorted((said.get("capacity") or {}).items()):
        yield from _basic(f"status.capacity[{name}]", quantity)
    for name, state in sorted((said.get("allocatedResourceStatuses") or {}).items()):
        yield from _resource("status.allocatedResourceStatuses", name)
        if state not in _RESIZE_STATES:
            choices = sorted(_RESIZE_STATES)
            yield FieldError.not_supported("status.allocatedResourceStatuses", name, choices)
    for name, quantity in sorted((said.get("allocatedResources") or {}).items()):
        problems = list(_resource("status.allocatedResources", name))
        path = f"status.allocatedResources[{name}]"
        yield from problems or list(_basic(path, quantity)) or not_negative(path, quantity)


def _basic(path: str, quantity: str) -> Iterator[FieldError]:
    if whole(quantity) < 0:
        yield FieldError.invalid(path, whole(quantity), "must be a valid resource quantity")


def _resource(path: str, name: str) -> Iterator[FieldError]:
    problems = names.qualified_name(name)
    yield from (FieldError.invalid(path, name, why) for why in problems)
    if not problems and name != "storage" and ("/" not in name or "kubernetes.io/" in name):
        yield FieldError.not_supported(path, name, ("storage",))
