"""The driver's Identity service."""

from importlib.metadata import version

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.hostpath.settings import Settings
from plugins.csi.serving import Bound, bind

_SERVICES = (
    pb.PluginCapability.Service.CONTROLLER_SERVICE,
    pb.PluginCapability.Service.VOLUME_ACCESSIBILITY_CONSTRAINTS,
)


class IdentityService:
    """Says who the driver is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def calls(self) -> list[Bound]:
        return [
            bind(wire.GET_PLUGIN_INFO, self.info),
            bind(wire.GET_PLUGIN_CAPABILITIES, self.capabilities),
            bind(wire.PROBE, self.probe),
        ]

    async def info(self, request: pb.GetPluginInfoRequest) -> pb.GetPluginInfoResponse:
        del request
        return pb.GetPluginInfoResponse(name=self._settings.name, vendor_version=version("lading"))

    async def capabilities(self, request: pb.GetPluginCapabilitiesRequest) -> pb.GetPluginCapabilitiesResponse:
        del request
        growing = pb.PluginCapability.VolumeExpansion(type=pb.PluginCapability.VolumeExpansion.ONLINE)
        services = [
            pb.PluginCapability(service=pb.PluginCapability.Service(type=service))
            for service in _SERVICES
            if self._settings.topology or service == pb.PluginCapability.Service.CONTROLLER_SERVICE
        ]
        return pb.GetPluginCapabilitiesResponse(capabilities=[*services, pb.PluginCapability(volume_expansion=growing)])

    async def probe(self, request: pb.ProbeRequest) -> pb.ProbeResponse:
        del request
        return pb.ProbeResponse(ready={"value": True})
