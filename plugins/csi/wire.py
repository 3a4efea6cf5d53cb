"""The calls of the protocol by name, each with the types of its request and answer; and messages fit for a log."""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from plugins.csi import csi_pb2 as pb
from plugins.csi import registration_pb2 as registration

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Answer]):
    """One call."""

    service: str
    name: str
    request: type[Request]
    answer: type[Answer]

    @property
    def path(self) -> str:
        """As it goes over the wire."""
        return f"/{self.service}/{self.name}"


IDENTITY: Final = "csi.v1.Identity"
CONTROLLER: Final = "csi.v1.Controller"
NODE: Final = "csi.v1.Node"
REGISTRATION: Final = "pluginregistration.Registration"

GET_PLUGIN_INFO: Final = Method(IDENTITY, "GetPluginInfo", pb.GetPluginInfoRequest, pb.GetPluginInfoResponse)
GET_PLUGIN_CAPABILITIES: Final = Method(
    IDENTITY, "GetPluginCapabilities", pb.GetPluginCapabilitiesRequest, pb.GetPluginCapabilitiesResponse
)
PROBE: Final = Method(IDENTITY, "Probe", pb.ProbeRequest, pb.ProbeResponse)

CREATE_VOLUME: Final = Method(CONTROLLER, "CreateVolume", pb.CreateVolumeRequest, pb.CreateVolumeResponse)
DELETE_VOLUME: Final = Method(CONTROLLER, "DeleteVolume", pb.DeleteVolumeRequest, pb.DeleteVolumeResponse)
PUBLISH: Final = Method(
    CONTROLLER, "ControllerPublishVolume", pb.ControllerPublishVolumeRequest, pb.ControllerPublishVolumeResponse
)
UNPUBLISH: Final = Method(
    CONTROLLER, "ControllerUnpublishVolume", pb.ControllerUnpublishVolumeRequest, pb.ControllerUnpublishVolumeResponse
)
VALIDATE: Final = Method(
    CONTROLLER,
    "ValidateVolumeCapabilities",
    pb.ValidateVolumeCapabilitiesRequest,
    pb.ValidateVolumeCapabilitiesResponse,
)
LIST_VOLUMES: Final = Method(CONTROLLER, "ListVolumes", pb.ListVolumesRequest, pb.ListVolumesResponse)
GET_CAPACITY: Final = Method(CONTROLLER, "GetCapacity", pb.GetCapacityRequest, pb.GetCapacityResponse)
CONTROLLER_CAPABILITIES: Final = Method(
    CONTROLLER, "ControllerGetCapabilities", pb.ControllerGetCapabilitiesRequest, pb.ControllerGetCapabilitiesResponse
)
CREATE_SNAPSHOT: Final = Method(CONTROLLER, "CreateSnapshot", pb.CreateSnapshotRequest, pb.CreateSnapshotResponse)
DELETE_SNAPSHOT: Final = Method(CONTROLLER, "DeleteSnapshot", pb.DeleteSnapshotRequest, pb.DeleteSnapshotResponse)
LIST_SNAPSHOTS: Final = Method(CONTROLLER, "ListSnapshots", pb.ListSnapshotsRequest, pb.ListSnapshotsResponse)
GET_SNAPSHOT: Final = Method(CONTROLLER, "GetSnapshot", pb.GetSnapshotRequest, pb.GetSnapshotResponse)
CONTROLLER_EXPAND: Final = Method(
    CONTROLLER, "ControllerExpandVolume", pb.ControllerExpandVolumeRequest, pb.ControllerExpandVolumeResponse
)
GET_VOLUME: Final = Method(
    CONTROLLER, "ControllerGetVolume", pb.ControllerGetVolumeRequest, pb.ControllerGetVolumeResponse
)
MODIFY_VOLUME: Final = Method(
    CONTROLLER, "ControllerModifyVolume", pb.ControllerModifyVolumeRequest, pb.ControllerModifyVolumeResponse
)

STAGE: Final = Method(NODE, "NodeStageVolume", pb.NodeStageVolumeRequest, pb.NodeStageVolumeResponse)
UNSTAGE: Final = Method(NODE, "NodeUnstageVolume", pb.NodeUnstageVolumeRequest, pb.NodeUnstageVolumeResponse)
NODE_PUBLISH: Final = Method(NODE, "NodePublishVolume", pb.NodePublishVolumeRequest, pb.NodePublishVolumeResponse)
NODE_UNPUBLISH: Final = Method(
    NODE, "NodeUnpublishVolume", pb.NodeUnpublishVolumeRequest, pb.NodeUnpublishVolumeResponse
)
NODE_STATS: Final = Method(NODE, "NodeGetVolumeStats", pb.NodeGetVolumeStatsRequest, pb.NodeGetVolumeStatsResponse)
NODE_EXPAND: Final = Method(NODE, "NodeExpandVolume", pb.NodeExpandVolumeRequest, pb.NodeExpandVolumeResponse)
NODE_CAPABILITIES: Final = Method(
    NODE, "NodeGetCapabilities", pb.NodeGetCapabilitiesRequest, pb.NodeGetCapabilitiesResponse
)
NODE_INFO: Final = Method(NODE, "NodeGetInfo", pb.NodeGetInfoRequest, pb.NodeGetInfoResponse)

GET_INFO: Final = Method(REGISTRATION, "GetInfo", registration.InfoRequest, registration.PluginInfo)
NOTIFY: Final = Method(
    REGISTRATION,
    "NotifyRegistrationStatus",
    registration.RegistrationStatus,
    registration.RegistrationStatusResponse,
)

_CONTEXTS: Final = frozenset({"volume_context", "publish_context"})
"""Not marked as secrets, but service account tokens travel in them."""


def loggable(message: Message) -> dict[str, Any]:
    """A message without what is secret: such fields, and contexts, show their keys alone."""
    return {field.name: _shown(field, value) for field, value in message.ListFields()}


def _shown(field: Any, value: Any) -> Any:
    if field.GetOptions().Extensions[pb.csi_secret] or field.name in _CONTEXTS:
        return dict.fromkeys(sorted(value), "***")
    if field.message_type is None:
        return list(value) if field.is_repeated else value
    if field.message_type.GetOptions().map_entry:
        return dict(value)
    return [loggable(each) for each in value] if field.is_repeated else loggable(value)
