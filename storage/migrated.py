"""A volume of an in-tree plugin as the driver that took over is told of it: its whole source, and not only which it is.

Rule: the csi-translation-lib that kube-controller-manager and the CSI sidecars share.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from model.meta import JSON
from model.secrets import SecretReference
from model.volumes import Csi, PersistentVolume, VolumeSpec
from storage.translation import PLUGINS, Plugin, Source, TranslationError, csi_source

_PORTWORX_SECRET: Final = ("openstorage.io/auth-secret-namespace", "openstorage.io/auth-secret-name")
_RESOURCE_GROUP: Final = "kubernetes.io/azure-file-resource-group"
_ACCOUNT_PREFIX: Final = "azure-storage-account-"
_ACCOUNT_SUFFIX: Final = "-secret"


def driver_of(volume: PersistentVolume) -> str | None:
    """Whose volume it is by its source, of an in-tree plugin that a driver took over too; None for what is no CSI's."""
    if volume.spec.csi is not None:
        return volume.spec.csi.driver
    plugin = plugin_behind(volume)
    return plugin.driver if plugin else None


def as_csi(volume: PersistentVolume) -> VolumeSpec:
    """The volume's spec with a CSI source.

    Raises:
        TranslationError: it has none, and its driver can not name it.
    """
    if volume.spec.csi is not None:
        return volume.spec
    plugin = plugin_behind(volume)
    if plugin is None:
        raise TranslationError("it is no volume of a CSI driver")
    modes = volume.spec.access_modes
    if plugin.source == "gce_persistent_disk" and modes is not None:
        modes = _gce_modes(modes)
    csi = _SOURCES[plugin.source](volume, plugin)
    return msgspec.structs.replace(volume.spec, csi=csi, access_modes=modes, **{plugin.source: None})


def plugin_behind(volume: PersistentVolume) -> Plugin | None:
    """The in-tree plugin that a driver took over whose volume it is; None where it is none of these."""
    return next((plugin for plugin in PLUGINS if getattr(volume.spec, plugin.source) is not None), None)


def _gce_modes(modes: tuple[str, ...]) -> tuple[str, ...]:
    """The plugin asked nobody which modes a disk can have, and took all that write for ReadWriteOnce."""
    return ("ReadOnlyMany",) if set(modes) == {"ReadOnlyMany"} else ("ReadWriteOnce",)


def _ebs(volume: PersistentVolume, _plugin: Plugin) -> Csi:
    source = volume.spec.aws_elastic_block_store
    assert source is not None
    attributes = {"partition": str(source.partition)}
    return _filled(volume, source.fs_type, attributes, read_only=source.read_only)


def _gce(volume: PersistentVolume, _plugin: Plugin) -> Csi:
    source = volume.spec.gce_persistent_disk
    assert source is not None
    attributes = {"partition": str(source.partition or "")}
    return _filled(volume, source.fs_type, attributes, read_only=source.read_only)


def _azure_disk(volume: PersistentVolume, _plugin: Plugin) -> Csi:
    source = volume.spec.azure_disk
    assert source is not None
    given = {"cachingmode": source.caching_mode, "fstype": source.fs_type}
    attributes = {"kind": "Managed", **{key: value for key, value in given.items() if value is not None}}
    return _filled(volume, source.fs_type or "", attributes, read_only=bool(source.read_only))


def _cinder(volume: PersistentVolume, _plugin: Plugin) -> Csi:
    source = volume.spec.cinder
    assert source is not None
    return _filled(volume, source.fs_type, {}, read_only=source.read_only)


def _portworx(volume: PersistentVolume, _plugin: Plugin) -> Csi:
    source = volume.spec.portworx_volume
    assert source is not None
    csi = _filled(volume, source.fs_type, {})
    if not all(key in volume.annotations for key in _PORTWORX_SECRET):
        return csi
    secret = SecretReference(*(volume.annotations[key] for key in _PORTWORX_SECRET))
    return msgspec.structs.replace(csi, controller_publish_secret_ref=secret, controller_expand_secret_ref=secret)


def _vsphere(volume: PersistentVolume, plugin: Plugin) -> Csi:
    source: JSON = volume.spec.vsphere_volume or {}
    policy = source.get("storagePolicyName")
    return Csi(
        driver=plugin.driver,
        volume_handle=source.get("volumePath", ""),
        fs_type=source.get("fsType", ""),
        volume_attributes={"storagepolicyname": policy} if policy else {},
    )


def _azure_file(volume: PersistentVolume, plugin: Plugin) -> Csi:
    source: JSON = volume.spec.azure_file or {}
    claim, secret, share = volume.spec.claim_ref, source.get("secretName", ""), source.get("shareName", "")
    namespace = source.get("secretNamespace") or (claim.namespace if claim else "")
    if not namespace:
        raise TranslationError("could not find a secret namespace in PersistentVolumeSource or ClaimRef")
    account = secret
    if secret.startswith(_ACCOUNT_PREFIX) and secret.endswith(_ACCOUNT_SUFFIX):
        account = secret.removeprefix(_ACCOUNT_PREFIX).removesuffix(_ACCOUNT_SUFFIX)
    group = volume.annotations.get(_RESOURCE_GROUP, "")
    return Csi(
        driver=plugin.driver,
        volume_handle=f"{group}#{account}#{share}#{volume.name}#{namespace}",
        read_only=source.get("readOnly", False),
        volume_attributes={"sharename": share},
    )


def _filled(volume: PersistentVolume, fs_type: str, attributes: Mapping[str, str], *, read_only: bool = False) -> Csi:
    handle = csi_source(volume.spec, volume.labels)
    return msgspec.structs.replace(handle, fs_type=fs_type, read_only=read_only, volume_attributes=dict(attributes))


_SOURCES: Final[Mapping[Source, Callable[[PersistentVolume, Plugin], Csi]]] = {
    "aws_elastic_block_store": _ebs,
    "gce_persistent_disk": _gce,
    "azure_disk": _azure_disk,
    "cinder": _cinder,
    "portworx_volume": _portworx,
    "vsphere_volume": _vsphere,
    "azure_file": _azure_file,
}
