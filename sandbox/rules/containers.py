"""What makes a container of a pod invalid: names, ports, environment, resources, and what it mounts.

Source: the fields of Container in the Kubernetes API reference, "Volumes" in the Kubernetes concepts.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from model.meta import JSON
from model.quantity import nanos
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import chosen, descending, named, needed_name, not_negative, within

_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "IfPossible", "Enabled")
_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_STANDARD: Final = ("storage", "pods", "services", "secrets", "configmaps", "persistentvolumeclaims")
_MOST_PORTS: Final = 65535
_ENV_RULE: Final = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_ENV_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENV_ONE: Final = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
)


def container(path: str, given: JSON, volumes: dict[str, JSON]) -> Iterator[FieldError]:
    """Objections to a container; `volumes` are those of the pod that are right, by name."""
    yield from needed_name(f"{path}.name", given.get("name") or "", names.dns_label)
    image = given.get("image") or ""
    if not image:
        yield FieldError.required(f"{path}.image")
    policy = given.get("terminationMessagePolicy") or "File"
    if policy not in _MESSAGE_POLICIES:
        yield FieldError.not_supported(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    yield from _ports(f"{path}.ports", given.get("ports") or ())
    for index, variable in enumerate(given.get("env") or ()):
        yield from _variable(f"{path}.env[{index}]", variable)
    yield from _mounts(f"{path}.volumeMounts", given, volumes)
    yield from _devices(f"{path}.volumeDevices", given, volumes)
    if pull := given.get("imagePullPolicy"):
        yield from chosen(f"{path}.imagePullPolicy", pull, _PULL_POLICIES)
    yield from _resources(f"{path}.resources", given.get("resources") or {})
    if image != image.strip():
        yield FieldError.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _ports(path: str, ports: Sequence[JSON]) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"{path}[{index}]", port.get("name") or ""
        problems = _port_name(name) if name else []
        yield from (FieldError.invalid(f"{at}.name", name, why) for why in problems)
        if name and not problems and name in taken:
            yield FieldError.duplicate(f"{at}.name", name)
        taken.add(name)
        if not port.get("containerPort"):
            yield FieldError.required(f"{at}.containerPort")
        else:
            yield from within(f"{at}.containerPort", port["containerPort"], 1, _MOST_PORTS)
        if port.get("hostPort"):
            yield from within(f"{at}.hostPort", port["hostPort"], 1, _MOST_PORTS)
        yield from chosen(f"{at}.protocol", port.get("protocol"), _PROTOCOLS)


def _port_name(name: str) -> list[str]:
    problems = ["must be no more than 15 characters"] if len(name) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", name):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", name):
        problems.append("must contain at least one letter (a-z)")
    if "--" in name:
        problems.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def port_conflicts(path: str, containers: Sequence[JSON]) -> Iterator[FieldError]:
    """Ports of the node that two ports of the pod's containers ask for."""
    taken: set[str] = set()
    for index, each in enumerate(containers):
        for place, port in enumerate(each.get("ports") or ()):
            if not (wanted := port.get("hostPort")):
                continue
            key = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{wanted}"
            if key in taken:
                yield FieldError.duplicate(f"{path}[{index}].ports[{place}].hostPort", key)
            taken.add(key)


def _variable(path: str, variable: JSON) -> Iterator[FieldError]:
    name, source = variable.get("name") or "", variable.get("valueFrom")
    if not name:
        yield FieldError.required(f"{path}.name")
    elif "=" in name or not (name.isascii() and name.isprintable()):
        yield FieldError.invalid(f"{path}.name", name, _ENV_RULE)
    if source is None:
        return
    given = [each for each in _ENV_SOURCES if source.get(each) is not None]
    if not given:
        yield FieldError.invalid(f"{path}.valueFrom", "", _ENV_ONE)
    elif variable.get("value"):
        yield FieldError.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield FieldError.invalid(f"{path}.valueFrom", "", "may not have more than one field specified at a time")


def _mounts(path: str, given: JSON, volumes: dict[str, JSON]) -> Iterator[FieldError]:
    devices = given.get("volumeDevices") or ()
    names_of_devices = {each.get("name") for each in devices}
    paths_of_devices = {each.get("devicePath") for each in devices}
    taken: set[str] = set()
    for index, mount in enumerate(given.get("volumeMounts") or ()):
        at, name, where = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield FieldError.required(f"{at}.name")
        if name not in volumes:
            yield FieldError.not_found(f"{at}.name", name)
        if not where:
            yield FieldError.required(f"{at}.mountPath")
        if where in taken:
            yield FieldError.invalid(f"{at}.mountPath", where, "must be unique")
        taken.add(where)
        if name in names_of_devices:
            yield FieldError.invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        if where in paths_of_devices:
            yield FieldError.invalid(f"{at}.mountPath", where, "must not already exist as a path in volumeDevices")
        yield from _mount_options(path, at, mount, privileged=_privileged(given))


def _privileged(given: JSON) -> bool:
    return bool((given.get("securityContext") or {}).get("privileged"))


def _mount_options(path: str, at: str, mount: JSON, *, privileged: bool) -> Iterator[FieldError]:
    """Objections to how a volume is mounted. The real server leaves the index out of some of these paths."""
    below, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    yield from descending(f"{path}.subPath", below)
    if below and expression:
        yield FieldError.invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
    yield from descending(f"{path}.subPathExpr", expression)
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if propagation is not None:
        yield from chosen(f"{path}.mountPropagation", propagation, _PROPAGATIONS)
    if propagation == "Bidirectional" and not privileged:
        why = "Bidirectional mount propagation is available only to privileged containers"
        yield FieldError.forbidden(f"{path}.mountPropagation", why)
    if recursive is not None:
        yield from chosen(f"{path}.recursiveReadOnly", recursive, _RECURSIVE)
    if recursive in {"IfPossible", "Enabled"} and not mount.get("readOnly"):
        yield FieldError.forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true")
    if recursive in {"IfPossible", "Enabled"} and propagation not in (None, "None"):
        why = "may only be specified when mountPropagation is None or not specified"
        yield FieldError.forbidden(f"{path}.recursiveReadOnly", why)


def _devices(path: str, given: JSON, volumes: dict[str, JSON]) -> Iterator[FieldError]:
    mounts = given.get("volumeMounts") or ()
    names_of_mounts = {each.get("name") for each in mounts}
    paths_of_mounts = {each.get("mountPath") for each in mounts}
    taken: set[str] = set()
    taken_paths: set[str] = set()
    for index, device in enumerate(given.get("volumeDevices") or ()):
        at, name, where = f"{path}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        yield from _device_name(f"{at}.name", name, volumes, taken)
        if not where:
            yield FieldError.required(f"{at}.devicePath")
        if where in taken_paths:
            yield FieldError.invalid(f"{at}.devicePath", where, "must be unique")
        if ".." in where.split("/"):
            yield FieldError.invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')")
        taken_paths.add(where)
        if name in names_of_mounts:
            yield FieldError.invalid(f"{at}.name", name, "must not already exist in volumeMounts")
        if where in paths_of_mounts:
            yield FieldError.invalid(f"{at}.devicePath", where, "must not already exist as a path in volumeMounts")


def _device_name(path: str, name: str, volumes: dict[str, JSON], taken: set[str]) -> Iterator[FieldError]:
    if not name:
        yield FieldError.required(path)
    if name in taken:
        yield FieldError.invalid(path, name, "must be unique")
    if name not in volumes:
        yield FieldError.not_found(path, name)
    elif volumes[name].get("persistentVolumeClaim") is None and volumes[name].get("ephemeral") is None:
        why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield FieldError.invalid(path, name, why)
    if name:
        taken.add(name)


def _resources(path: str, resources: JSON) -> Iterator[FieldError]:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for field, given in (("limits", limits), ("requests", requests)):
        for name, quantity in sorted(given.items()):
            at = f"{path}.{field}[{name}]"
            yield from _resource_name(at, name)
            yield from not_negative(at, quantity)
            if field == "requests":
                yield from _request(path, name, quantity, limits)


def _resource_name(path: str, name: str) -> Iterator[FieldError]:
    problems = names.qualified_name(name)
    yield from named(path, name, names.qualified_name)
    if problems or "/" in name or name in _RESOURCES or name.startswith("hugepages-"):
        return
    if name not in _STANDARD:
        yield FieldError.invalid(path, name, "must be a standard resource type or fully qualified")
    yield FieldError.invalid(path, name, "must be a standard resource for containers")


def _request(path: str, name: str, quantity: str, limits: dict[str, str]) -> Iterator[FieldError]:
    limit, overcommitted = limits.get(name), "/" not in name and not name.startswith("hugepages-")
    if limit is None:
        if not overcommitted:
            yield FieldError.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    elif nanos(quantity) != nanos(limit) and not overcommitted:
        yield FieldError.invalid(f"{path}.requests", quantity, f"must be equal to {name} limit of {limit}")
    elif nanos(quantity) > nanos(limit):
        why = f"must be less than or equal to {name} limit of {limit}"
        yield FieldError.invalid(f"{path}.requests", quantity, why)
