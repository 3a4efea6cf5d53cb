"""What the driver is asked when a volume is to be attached. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.volumes import VolumeSpec
from plugins.csi import csi_pb2 as pb
from plugins.csi.access import capability_of


@dataclass(frozen=True)
class PublishOptions:
    """What differs between drivers."""

    tells_pods_apart: bool = False
    reads_only: bool = False
    """Whether it attaches volumes to be only read (PUBLISH_READONLY); others must not be asked to."""
    default_fs_type: str = ""


def publish_request(
    spec: VolumeSpec, node_id: str, secrets: Mapping[str, str], options: PublishOptions
) -> pb.ControllerPublishVolumeRequest:
    """The request to attach a CSI volume.

    Raises:
        Failed: its access modes have no equal in CSI.
    """
    assert spec.csi is not None, "decided by it"
    return pb.ControllerPublishVolumeRequest(
        volume_id=spec.csi.volume_handle,
        node_id=node_id,
        volume_capability=capability_of(
            spec, default_fs_type=options.default_fs_type, tells_pods_apart=options.tells_pods_apart
        ),
        readonly=spec.csi.read_only and options.reads_only,
        secrets=secrets,
        volume_context=spec.csi.volume_attributes or {},
    )
