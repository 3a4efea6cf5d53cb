"""What makes the source of a volume invalid, in a PersistentVolume and in a pod: which kind of storage, and where.

Source: "Types of volumes" in the Kubernetes concepts, and the fields of Volume and PersistentVolume in the API
reference. A pod may use some sources that a PersistentVolume may not, and the reverse.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from model.meta import JSON
from model.quantity import nanos
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import chosen, descending, driver_name, missing, named, needed_name, no_backsteps, within

_Check = Callable[[str, JSON], Iterator[FieldError]]

_HOST_PATH_TYPES: Final = frozenset(
    {"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"}
)
_IQN: Final = re.compile(r"iqn\.\d{4}-\d{2}\.([a-z0-9-_.]+)(:[^,;*&$|\s]+)")
_EUI: Final = re.compile(r"eui.[0-9A-Fa-f]{16}")
_NAA: Final = re.compile(r"naa.[0-9A-Fa-f]{32}")
_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_EMPTY_DIR_MODE: Final = "must be a number between 0 and 01777 (octal), both inclusive"
_SECRET_REFERENCES: Final = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
)


def pod_source(path: str, volume: JSON) -> Iterator[FieldError]:
    """Objections to the source of a pod's volume: exactly one, and right in itself."""
    yield from _one_of(path, volume, _IN_PODS)


def volume_source(path: str, spec: JSON) -> Iterator[FieldError]:
    """Objections to the source of a PersistentVolume: exactly one, and right in itself."""
    yield from _one_of(path, spec, _IN_VOLUMES)


def source_of(spec: JSON) -> JSON:
    """The part of a PersistentVolume's spec that says where the storage is."""
    return {name: spec[name] for name in _IN_VOLUMES if spec.get(name) is not None}


def _one_of(path: str, holder: JSON, checks: dict[str, _Check]) -> Iterator[FieldError]:
    given = [name for name in checks if holder.get(name) is not None]
    if not given:
        yield FieldError.required(path, "must specify a volume type")
        return
    yield from checks[given[0]](f"{path}.{_PATHS.get(given[0], given[0])}", holder[given[0]])
    for name in given[1:]:
        yield FieldError.forbidden(f"{path}.{name}", "may not specify more than 1 volume type")


_PATHS: Final = {"gcePersistentDisk": "persistentDisk"}
"""Sources that the real server's objections call by another name."""


def _needs(*fields: str) -> _Check:
    def check(path: str, source: JSON) -> Iterator[FieldError]:
        yield from missing(path, source, *fields)

    return check


def _host_path(path: str, source: JSON) -> Iterator[FieldError]:
    if not source.get("path"):
        yield FieldError.required(f"{path}.path")
        return
    yield from no_backsteps(f"{path}.path", source["path"])
    if source.get("type") is not None:
        yield from chosen(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _local(path: str, source: JSON) -> Iterator[FieldError]:
    yield from missing(path, source, "path")
    yield from no_backsteps(f"{path}.path", source.get("path") or "")


def _nfs(path: str, source: JSON) -> Iterator[FieldError]:
    yield from missing(path, source, "server", "path")
    if not (source.get("path") or "").startswith("/"):
        yield FieldError.invalid(f"{path}.path", source.get("path") or "", "must be an absolute path")


def _disk(field: str) -> _Check:
    def check(path: str, source: JSON) -> Iterator[FieldError]:
        yield from missing(path, source, field)
        partition = source.get("partition") or 0
        if not 0 <= partition <= 255:
            yield FieldError.invalid(f"{path}.partition", partition, "must be between 1 and 255, inclusive")

    return check


def _iscsi(unknown: str) -> _Check:
    """`unknown` is what is said of a name of no known kind."""

    def check(path: str, source: JSON) -> Iterator[FieldError]:
        yield from missing(path, source, "targetPortal", "iqn")
        for field, at in (("iqn", "iqn"), ("initiatorName", "initiatorname")):
            if value := source.get(field):
                yield from _initiator(f"{path}.{at}", value, unknown)
        yield from within(f"{path}.lun", source.get("lun") or 0, 0, 255)
        if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and not source.get("secretRef"):
            yield FieldError.required(f"{path}.secretRef")

    return check


def _initiator(path: str, value: str, unknown: str) -> Iterator[FieldError]:
    pattern = {"iqn": _IQN, "eui": _EUI, "naa": _NAA}.get(value[:3])
    if pattern is None:
        yield FieldError.invalid(path, value, unknown)
    elif not pattern.fullmatch(value):
        yield FieldError.invalid(path, value, "must be valid format")


def _fibre_channel(path: str, source: JSON) -> Iterator[FieldError]:
    targets, wide, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    if not targets and not wide:
        yield FieldError.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if targets and wide:
        why = "targetWWNs and wwids can not be specified simultaneously"
        yield FieldError.invalid(f"{path}.targetWWNs", targets, why)
    if targets and lun is None:
        yield FieldError.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif targets:
        yield from within(f"{path}.lun", lun or 0, 0, 255)


def _flex_volume(path: str, source: JSON) -> Iterator[FieldError]:
    yield from missing(path, source, "driver")
    for key in sorted(source.get("options") or {}):
        owner = "." + key.partition("/")[0].lower()
        if owner.endswith((".kubernetes.io", ".k8s.io")):
            why = "kubernetes.io and k8s.io namespaces are reserved"
            yield FieldError.invalid(f"{path}.options[{key}]", key, why)


def _flocker(path: str, source: JSON) -> Iterator[FieldError]:
    name, uuid = source.get("datasetName"), source.get("datasetUUID")
    if not name and not uuid:
        yield FieldError.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        why = "datasetName and datasetUUID can not be specified simultaneously"
        yield FieldError.invalid(path, "resource", why)
    if "/" in (name or ""):
        yield FieldError.invalid(f"{path}.datasetName", name, "must not contain '/'")


def _storage_os(path: str, source: JSON) -> Iterator[FieldError]:
    yield from needed_name(f"{path}.volumeName", source.get("volumeName") or "", names.dns_label)
    if source.get("volumeNamespace"):
        yield from named(f"{path}.volumeNamespace", source["volumeNamespace"], names.dns_label)


def _azure_disk(path: str, source: JSON) -> Iterator[FieldError]:
    yield from missing(path, source, "diskName", "diskURI")
    if (mode := source.get("cachingMode")) is not None:
        yield from chosen(f"{path}.cachingMode", mode, ("None", "ReadOnly", "ReadWrite"))
    if (kind := source.get("kind")) is not None:
        yield from chosen(f"{path}.kind", kind, ("Shared", "Dedicated", "Managed"))
    uri, managed = source.get("diskURI") or "", kind == "Managed"
    if not uri.startswith("/subscriptions/" if managed else "https://"):
        yield FieldError.not_supported(f"{path}.diskURI", uri, (_DISK_URIS[managed],))


_DISK_URIS: Final = {
    True: "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
    False: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",
}


def _csi_volume(path: str, source: JSON) -> Iterator[FieldError]:
    yield from driver_name(f"{path}.driver", source.get("driver") or "")
    yield from missing(path, source, "volumeHandle")
    for field in _SECRET_REFERENCES:
        if (reference := source.get(field)) is not None:
            yield from needed_name(f"{path}.{field}.name", reference.get("name") or "", names.dns_subdomain)
            yield from needed_name(f"{path}.{field}.namespace", reference.get("namespace") or "", names.dns_label)


def _csi_inline(path: str, source: JSON) -> Iterator[FieldError]:
    yield from driver_name(f"{path}.driver", source.get("driver") or "")
    if (reference := source.get("nodePublishSecretRef")) is None:
        return
    if name := reference.get("name"):
        yield from named(f"{path}.name", name, names.dns_subdomain)
    else:
        yield FieldError.required(f"{path}.nodePublishSecretRef.name")


def _empty_dir(path: str, source: JSON) -> Iterator[FieldError]:
    if (limit := source.get("sizeLimit")) is not None and nanos(limit) < 0:
        yield FieldError.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")
    yield from _file_mode(f"{path}.mode", source.get("mode"), 0o1777, _EMPTY_DIR_MODE)


def _files(name: str) -> _Check:
    """Files of keys, of a Secret or ConfigMap that `name` says."""

    def check(path: str, source: JSON) -> Iterator[FieldError]:
        yield from missing(path, source, name)
        yield from _file_mode(f"{path}.defaultMode", source.get("defaultMode"))
        for index, item in enumerate(source.get("items") or ()):
            at = f"{path}.items[{index}]"
            yield from missing(at, item, "key", "path")
            yield from _file_path(f"{at}.path", item.get("path") or "")
            yield from _file_mode(f"{at}.mode", item.get("mode"))

    return check


def _file_mode(path: str, mode: Any, most: int = 0o777, why: str = _MODE) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= most:
        yield FieldError.invalid(path, mode, why)


def _file_path(path: str, value: str) -> Iterator[FieldError]:
    yield from descending(path, value)
    if value.startswith("..") and not value.startswith("../"):
        yield FieldError.invalid(path, value, "must not start with '..'")


def _git_repo(path: str, source: JSON) -> Iterator[FieldError]:
    yield from missing(path, source, "repository")
    yield from descending(f"{path}.directory", source.get("directory") or "")


def _moded(path: str, source: JSON) -> Iterator[FieldError]:
    yield from _file_mode(f"{path}.defaultMode", source.get("defaultMode"))


def _any(_path: str, _source: JSON) -> Iterator[FieldError]:
    return iter(())


_IN_BOTH: Final[dict[str, _Check]] = {
    "hostPath": _host_path,
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "glusterfs": _needs("endpoints", "path"),
    "flocker": _flocker,
    "nfs": _nfs,
    "rbd": _needs("monitors", "image"),
    "quobyte": _needs("registry", "volume"),
    "cephfs": _needs("monitors"),
    "iscsi": _iscsi("must be valid format"),
    "cinder": _needs("volumeID"),
    "fc": _fibre_channel,
    "flexVolume": _flex_volume,
    "azureFile": _needs("secretName", "shareName"),
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _azure_disk,
    "scaleIO": _needs("gateway", "system", "volumeName"),
}
_IN_VOLUMES: Final = {**_IN_BOTH, "local": _local, "storageos": _storage_os, "csi": _csi_volume}
_IN_PODS: Final = {
    "emptyDir": _empty_dir,
    **_IN_BOTH,
    "iscsi": _iscsi("must be valid format starting with iqn, eui, or naa"),
    "secret": _files("secretName"),
    "configMap": _files("name"),
    "gitRepo": _git_repo,
    "persistentVolumeClaim": _needs("claimName"),
    "downwardAPI": _moded,
    "projected": _moded,
    "storageos": _storage_os,
    "csi": _csi_inline,
    "ephemeral": _needs("volumeClaimTemplate"),
    "image": _any,
}
