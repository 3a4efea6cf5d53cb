"""In-tree volumes as the CSI volumes that replaced them: driver, handle and topology.

A node that migrated a plugin attaches such a volume through the CSI driver; the volume's object stays as it was
written. Rules: "Volumes / CSI migration" of the Kubernetes documentation and the csi-translation-lib it points to.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

import msgspec

from model import names
from model.csi import CSINode
from model.selectors import Labels, NodeSelector, NodeSelectorTerm, Requirement
from model.volumes import Csi, DiskSources, PersistentVolume, VolumeNodeAffinity
from storage import zones
from storage.topology import written_affinity

Source = Literal[
    "aws_elastic_block_store",
    "gce_persistent_disk",
    "azure_disk",
    "cinder",
    "portworx_volume",
    "azure_file",
    "vsphere_volume",
]


class TranslationError(ValueError):
    """The volume has no CSI equivalent; the message says why."""


@dataclass(frozen=True)
class Plugin:
    """One in-tree plugin and the driver that took its place."""

    name: str
    """The in-tree name, as classes give it as provisioner."""
    driver: str
    source: Source
    """The field of a volume that holds its source."""
    attachable: bool
    """Whether its volumes take an attach slot, and migrate node by node."""
    topology_key: str | None = None
    """The driver's zone label; None leaves the affinity as it is."""


PLUGINS: Final = (
    Plugin(
        "kubernetes.io/aws-ebs", "ebs.csi.aws.com", "aws_elastic_block_store", True, "topology.ebs.csi.aws.com/zone"
    ),
    Plugin("kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "gce_persistent_disk", True, "topology.gke.io/zone"),
    Plugin("kubernetes.io/azure-disk", "disk.csi.azure.com", "azure_disk", True),
    Plugin(
        "kubernetes.io/cinder",
        "cinder.csi.openstack.org",
        "cinder",
        True,
        "topology.cinder.csi.openstack.org/zone",
    ),
    Plugin("kubernetes.io/portworx-volume", "pxd.portworx.com", "portworx_volume", True),
    Plugin("kubernetes.io/azure-file", "file.csi.azure.com", "azure_file", False),
    Plugin("kubernetes.io/vsphere-volume", "csi.vsphere.vmware.com", "vsphere_volume", False),
)
BY_PROVISIONER: Final = {plugin.name: plugin for plugin in PLUGINS}

_UNSPECIFIED: Final = "UNSPECIFIED"
_EBS_VOLUME: Final = re.compile(r"vol-[^/]*")
_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_GCE_HANDLE_PARTS: Final = 6  # projects/P/zones/Z/disks/D, and likewise of a node
_ZONE_PARTS: Final = 3  # locale-region-zone, as in us-central1-a


def plugin_of(source: DiskSources) -> Plugin | None:
    """The attachable in-tree plugin whose source this pod volume or volume spec carries."""
    return next((plugin for plugin in PLUGINS if plugin.attachable and getattr(source, plugin.source)), None)


def migrated_plugins(csi_node: CSINode | None) -> frozenset[str]:
    """The in-tree plugins that the node serves through CSI, from its annotation."""
    listed = csi_node.annotations.get(names.MIGRATED_PLUGINS, "") if csi_node else ""
    return frozenset(listed.split(",")) if listed else frozenset()


def csi_source(source: DiskSources, labels: Labels | None = None) -> Csi:
    """Driver and handle of an in-tree source. `labels`: the volume's, where it is not inline in a pod.

    Raises:
        TranslationError: not an attachable in-tree source, or one that the driver can not name.
    """
    plugin = plugin_of(source)
    if plugin is None:
        raise TranslationError("no in-tree source with a CSI translation")
    return Csi(driver=plugin.driver, volume_handle=_HANDLES[plugin.source](source, labels or {}))


def to_csi(volume: PersistentVolume) -> PersistentVolume:
    """The volume as its CSI driver sees it: CSI source and affinity in the driver's topology.

    Raises:
        TranslationError: as `csi_source`.
    """
    plugin, csi = plugin_of(volume.spec), csi_source(volume.spec, volume.labels)
    assert plugin is not None
    required = written_affinity(volume)
    if plugin.topology_key:
        required = _translated(required, volume.labels, plugin.topology_key)
    spec = msgspec.structs.replace(
        volume.spec,
        csi=csi,
        node_affinity=VolumeNodeAffinity(required) if required else None,
        **{plugin.source: None},
    )
    return msgspec.structs.replace(volume, spec=spec)


def repaired_handle(handle: str, node_id: str) -> str:
    """A handle as the driver itself knows it: of a GCE disk the object may tell neither project nor zone.

    `node_id` is a node's where the disk is, `projects/P/zones/Z/instances/N`; a handle that it does not mend stays.
    """
    parts, node = handle.split("/"), node_id.split("/")
    if parts[:2] != ["projects", _UNSPECIFIED] or len(parts) != _GCE_HANDLE_PARTS or len(node) != _GCE_HANDLE_PARTS:
        return handle
    place = parts[3]
    if place == _UNSPECIFIED:
        place = node[3] if parts[2] == "zones" else _gce_region([node[3]])
    return "/".join(("projects", node[1], parts[2], place, *parts[4:]))


# --- handles ---


def _ebs_handle(source: DiskSources, _labels: Labels) -> str:
    assert source.aws_elastic_block_store
    volume_id = source.aws_elastic_block_store.volume_id
    if not volume_id.startswith("aws://"):
        return volume_id
    path = _unescaped_path(volume_id).strip("/")
    if _EBS_VOLUME.fullmatch(path) is None:
        raise TranslationError(
            f"failed to translate Kubernetes ID to EBS Volume ID Invalid format for AWS volume ({volume_id})"
        )
    return path


def _unescaped_path(volume_id: str) -> str:
    """The path of `aws://ZONE/PATH`, as Go reads URLs."""
    url = volume_id.partition("#")[0]
    location = url.removeprefix("aws://").partition("?")[0]
    if wrong := _NO_ESCAPE.search(location):
        raise TranslationError(
            f"failed to translate Kubernetes ID to EBS Volume ID Invalid disk name ({volume_id}): "
            f'parse "{url}": invalid URL escape "{wrong[0]}"'
        )
    return unquote(location.partition("/")[2])


def _gce_handle(source: DiskSources, labels: Labels) -> str:
    assert source.gce_persistent_disk
    listed = (labels.get(names.BETA_ZONE) or labels.get(names.ZONE, "")).split(zones.SEPARATOR)
    place = f"zones/{listed[0] or _UNSPECIFIED}" if len(listed) == 1 else f"regions/{_gce_region(listed)}"
    return f"projects/{_UNSPECIFIED}/{place}/disks/{source.gce_persistent_disk.pd_name}"


def _gce_region(listed: list[str]) -> str:
    regions = set()
    for zone in listed:
        parts = zone.split("-")
        if len(parts) != _ZONE_PARTS:
            raise TranslationError(
                "failed to get region from zones: zone in unexpected format, "
                f"expected: {{locale}}-{{region}}-{{zone}}, got: {zone}"
            )
        regions.add("-".join(parts[:2]))
    if len(regions) != 1:
        # As Go prints a set.
        got = " ".join(f"{region}:{{}}" for region in sorted(regions))
        raise TranslationError(
            f"failed to get region from zones: multiple or no regions gotten from zones, got: map[{got}]"
        )
    return regions.pop()


def _azure_handle(source: DiskSources, _labels: Labels) -> str:
    assert source.azure_disk
    kind = source.azure_disk.kind
    if kind is not None and kind.lower() != "managed":
        raise TranslationError(f"kind({kind}) is not supported in csi migration")
    return source.azure_disk.disk_uri


def _cinder_handle(source: DiskSources, _labels: Labels) -> str:
    assert source.cinder
    return source.cinder.volume_id


def _portworx_handle(source: DiskSources, _labels: Labels) -> str:
    assert source.portworx_volume
    return source.portworx_volume.volume_id


_HANDLES: Final[dict[Source, Callable[[DiskSources, Labels], str]]] = {
    "aws_elastic_block_store": _ebs_handle,
    "gce_persistent_disk": _gce_handle,
    "azure_disk": _azure_handle,
    "cinder": _cinder_handle,
    "portworx_volume": _portworx_handle,
}


# --- topology ---


def _translated(required: NodeSelector | None, labels: Labels, driver_key: str) -> NodeSelector | None:
    """The affinity in the driver's topology: what the affinity says of zones wins over the volume's labels."""
    zone_key = _zone_key(required, labels)
    terms = (required.node_selector_terms or ()) if required else ()
    if _values(terms, zone_key):
        terms = _renamed(terms, zone_key, driver_key)
    elif listed := sorted({zone.strip() for zone in labels.get(zone_key, "").split(zones.SEPARATOR)} - {""}):
        terms = _narrowed(terms or (NodeSelectorTerm(),), Requirement(driver_key, "In", tuple(listed)))
    if zone_key == names.BETA_ZONE and _values(terms, names.BETA_REGION):
        terms = _renamed(terms, names.BETA_REGION, names.REGION)
    return NodeSelector(terms) if required or terms else None


def _zone_key(required: NodeSelector | None, labels: Labels) -> str:
    """GA or beta: as the affinity has it, else as the labels have it, GA before beta."""
    terms = (required.node_selector_terms or ()) if required else ()
    written = {expression.key for expression in _expressions(terms)}
    for present in (written, labels):
        for key in (names.ZONE, names.BETA_ZONE):
            if key in present:
                return key
    return names.ZONE


def _expressions(terms: tuple[NodeSelectorTerm, ...]) -> Iterator[Requirement]:
    return (expression for term in terms for expression in term.match_expressions or ())


def _values(terms: tuple[NodeSelectorTerm, ...], key: str) -> bool:
    return any(expression.values for expression in _expressions(terms) if expression.key == key)


def _renamed(terms: tuple[NodeSelectorTerm, ...], old: str, new: str) -> tuple[NodeSelectorTerm, ...]:
    return tuple(
        msgspec.structs.replace(
            term,
            match_expressions=tuple(
                msgspec.structs.replace(each, key=new) if each.key == old else each
                for each in term.match_expressions or ()
            ),
        )
        for term in terms
    )


def _narrowed(terms: tuple[NodeSelectorTerm, ...], requirement: Requirement) -> tuple[NodeSelectorTerm, ...]:
    return tuple(
        msgspec.structs.replace(term, match_expressions=(*(term.match_expressions or ()), requirement))
        for term in terms
    )
