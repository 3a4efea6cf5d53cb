"""What a driver is asked for a new volume, and what of its answer stands in the volume's object: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from model.meta import JSON
from plugins.csi import csi_pb2 as pb
from plugins.csi import topology
from plugins.csi.access import capabilities
from plugins.protocol import Provisioned


@dataclass(frozen=True)
class Wanted:
    """A volume that is wanted."""

    name: str
    size_bytes: int
    volume_mode: str
    access_modes: Sequence[str]
    fs_type: str = ""
    mount_flags: Sequence[str] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The driver's own."""
    mutable_parameters: Mapping[str, str] = field(default_factory=dict)
    snapshot: str = ""
    """The handle of the snapshot that it is to be filled from."""
    original: str = ""
    """The handle of the volume that it is to be a copy of."""
    where: pb.TopologyRequirement | None = None


def request_for(wanted: Wanted, *, tells_pods_apart: bool) -> pb.CreateVolumeRequest:
    """The request, without secrets: with the least size and no limit.

    Raises:
        Failed: an access mode is none.
    """
    request = pb.CreateVolumeRequest(
        name=wanted.name,
        capacity_range=pb.CapacityRange(required_bytes=wanted.size_bytes),
        volume_capabilities=capabilities(
            wanted.access_modes,
            wanted.volume_mode,
            fs_type=wanted.fs_type,
            mount_flags=wanted.mount_flags,
            tells_pods_apart=tells_pods_apart,
        ),
        parameters=wanted.parameters,
        mutable_parameters=wanted.mutable_parameters,
        accessibility_requirements=wanted.where,
    )
    if wanted.snapshot:
        request.volume_content_source.snapshot.snapshot_id = wanted.snapshot
    if wanted.original:
        request.volume_content_source.volume.volume_id = wanted.original
    return request


def source_before(driver: str, fs_type: str, volume_mode: str, more: JSON | None = None) -> JSON:
    """The CSI source as far as it is known before the call. A block volume has no file system."""
    has_fs = {"fsType": fs_type} if fs_type and volume_mode != "Block" else {}
    return {"driver": driver, **has_fs, **(more or {})}


def provisioned(before: JSON, made: pb.Volume, attributes: Mapping[str, str] | None = None) -> Provisioned:
    """The answer beside what was known before; `attributes` are added to those of the driver."""
    source = {**before, "volumeHandle": made.volume_id}
    if made.volume_context or attributes:
        source["volumeAttributes"] = {**made.volume_context, **(attributes or {})}
    return Provisioned(
        source={"csi": source},
        size_bytes=made.capacity_bytes,
        node_affinity=topology.affinity_of(made.accessible_topology),
    )
