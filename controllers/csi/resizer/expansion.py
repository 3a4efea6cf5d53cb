"""The driver's part of growing a volume."""

from controllers.csi.secrets import Secrets
from model.volumes import VolumeSpec
from plugins.csi import csi_pb2 as pb
from plugins.csi.access import capability_of
from plugins.csi.driver import Driver
from plugins.errors import Failed
from plugins.protocol import Expanded


class Unasked(Failed):
    """The driver was not asked, as what that needs is not there: how its last call ended stays what is known."""


class Expansion:
    """One driver's."""

    def __init__(self, driver: Driver, secrets: Secrets, default_fs_type: str = "") -> None:
        self._controller = driver.controller
        self._secrets = secrets
        self._tells_pods_apart = driver.tells_pods_apart
        self._default_fs_type = default_fs_type
        self.in_controller = "EXPAND_VOLUME" in driver.calls
        """Whether the driver grows the storage itself, and not all of it is the node's to do."""
        self.on_node = "EXPAND_VOLUME" in driver.node_calls

    async def expand(self, spec: VolumeSpec, size_bytes: int) -> Expanded:
        """Grow a CSI volume; one that is large enough already is a success.

        Raises:
            PluginError: it was not grown, or it is in doubt whether it was; Unasked where no call was made.
            KubeError: its secret can not be asked for.
        """
        if not self.in_controller:
            return Expanded(size_bytes, node_expansion_required=True)
        try:
            request = await self._request(spec, size_bytes)
        except Failed as error:
            raise Unasked(str(error)) from None
        answer = await self._controller.expand(request)
        return Expanded(answer.capacity_bytes, answer.node_expansion_required)

    async def _request(self, spec: VolumeSpec, size_bytes: int) -> pb.ControllerExpandVolumeRequest:
        csi = spec.csi
        if csi is None or not csi.volume_handle:
            raise Failed("the volume has no volumeHandle")
        return pb.ControllerExpandVolumeRequest(
            volume_id=csi.volume_handle,
            capacity_range=pb.CapacityRange(required_bytes=size_bytes),
            secrets=await self._secrets.read(csi.controller_expand_secret_ref),
            volume_capability=capability_of(
                spec, default_fs_type=self._default_fs_type, tells_pods_apart=self._tells_pods_apart
            ),
        )
