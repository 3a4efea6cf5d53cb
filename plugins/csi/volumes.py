"""CSI as a plugin: a driver's Controller service behind the protocols that controllers use.

Each call connects anew, as kubelet does: a driver's socket comes and goes with its pod, and nothing has to be closed.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from model.volumes import PersistentVolume
from plugins.csi import csi_pb2 as pb
from plugins.csi import parameters, topology
from plugins.csi.access import capabilities
from plugins.csi.connection import Connection, connect
from plugins.csi.controller import Controller, Unwanted
from plugins.csi.creation import Wanted, provisioned, request_for, source_before
from plugins.csi.identity import Identity
from plugins.csi.node import Node
from plugins.errors import Failed, NotSupported, PluginError
from plugins.protocol import Expanded, Provisioned, ProvisionRequest, Snapshot
from plugins.source import Source

_PATIENCE = 3
"""How often a volume that is not what was asked for is deleted before it is left to the next call."""


@dataclass(frozen=True)
class Talking:
    """One connection's services."""

    identity: Identity
    controller: Controller
    node: Node


class CsiVolumes:
    """One driver's volumes."""

    def __init__(self, name: str, endpoint: str, *, seconds: float = 15.0) -> None:
        self.name = name
        self._endpoint = endpoint
        self._seconds = seconds

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Make a volume, or find it made by that name.

        Raises:
            Exhausted: there is no room in the place that was asked for.
            InDoubt: it may be on its way.
            Failed: it was not made.
        """
        async with self._talking() as driver:
            asked, fs_type = await self._request(driver, request)
            try:
                made = await driver.controller.create_volume(asked)
            except Unwanted as error:
                await self._delete(driver, error.volume_id)
                raise
        return provisioned(source_before(self.name, fs_type, request.volume_mode), made)

    async def delete(self, volume: PersistentVolume) -> None:
        """Destroy a volume; what is gone already is a success.

        Raises:
            StillInUse: it is attached, or has snapshots that need it.
            InDoubt: it may be on its way.
            Failed: it was not destroyed.
        """
        handle = self._handle(volume)
        async with self._talking() as driver:
            await driver.controller.delete_volume(handle)

    async def expand(self, source: Source, new_bytes: int, old_bytes: int) -> Expanded:
        """Grow a volume."""
        del old_bytes
        handle = _text(source.body, "volumeHandle")
        request = pb.ControllerExpandVolumeRequest(
            volume_id=handle, capacity_range=pb.CapacityRange(required_bytes=new_bytes)
        )
        async with self._talking() as driver:
            has = await driver.controller.capabilities()
            sharper = "SINGLE_NODE_MULTI_WRITER" in has
            fs_type = _text(source.body, "fsType")
            wanted = capabilities(source.access_modes, source.volume_mode, fs_type=fs_type, tells_pods_apart=sharper)
            request.volume_capability.CopyFrom(wanted[0])
            if "EXPAND_VOLUME" not in has:
                # What the controller has no part in is all the node's.
                return Expanded(new_bytes, node_expansion_required=True)
            answer = await driver.controller.expand(request)
        return Expanded(answer.capacity_bytes, answer.node_expansion_required)

    async def take_snapshot(self, name: str, source_handle: str, parameters: Mapping[str, str]) -> Snapshot:
        """Take a snapshot, or find it taken by that name."""
        request = pb.CreateSnapshotRequest(name=name, source_volume_id=source_handle, parameters=parameters)
        async with self._talking() as driver:
            taken = await driver.controller.create_snapshot(request)
        created = taken.creation_time.ToNanoseconds() / 1e9
        return Snapshot(taken.snapshot_id, taken.source_volume_id, taken.size_bytes, created, taken.ready_to_use)

    async def delete_snapshot(self, handle: str) -> None:
        """Destroy a snapshot; what is gone already is a success."""
        async with self._talking() as driver:
            await driver.controller.delete_snapshot(handle)

    async def available_bytes(self, parameters: Mapping[str, str], segment: Mapping[str, str]) -> int:
        """What is left for volumes of a class in a segment."""
        request = pb.GetCapacityRequest(parameters=_driver_parameters(parameters))
        if segment:
            request.accessible_topology.segments.update(segment)
        async with self._talking() as driver:
            return (await driver.controller.capacity(request)).available_capacity

    async def _request(self, driver: Talking, request: ProvisionRequest) -> tuple[pb.CreateVolumeRequest, str]:
        read = parameters.read(request.parameters)
        if read.secrets:
            raise NotSupported("a class with secrets takes the driver's own provisioner: none are read here")
        has = await driver.controller.capabilities()
        if "CREATE_DELETE_VOLUME" not in has:
            raise NotSupported(f"driver {self.name} makes no volumes")
        wanted = Wanted(
            name=request.name,
            size_bytes=request.size_bytes,
            volume_mode=request.volume_mode,
            access_modes=request.access_modes,
            fs_type=read.fs_type,
            parameters=read.driver,
            where=await self._where(driver, request),
        )
        return request_for(wanted, tells_pods_apart="SINGLE_NODE_MULTI_WRITER" in has), read.fs_type

    async def _where(self, driver: Talking, request: ProvisionRequest) -> pb.TopologyRequirement | None:
        if "VOLUME_ACCESSIBILITY_CONSTRAINTS" not in await driver.identity.capabilities():
            return None
        keys: list[str] = []
        with suppress(NotSupported):  # a driver without a node's half here: the class alone says where
            keys = list((await driver.node.info()).accessible_topology.segments)
        return topology.requirement(keys, request.node, request.node_labels, request.allowed_topologies)

    async def _delete(self, driver: Talking, volume_id: str) -> None:
        """Delete what nobody asked for; where that fails, the next call finds it by its name again."""
        for _ in range(_PATIENCE):
            with suppress(PluginError):
                await driver.controller.delete_volume(volume_id)
                return

    def _handle(self, volume: PersistentVolume) -> str:
        csi = volume.spec.csi
        if csi is None or csi.driver != self.name or not csi.volume_handle:
            raise Failed(f"volume {volume.name!r} is none of driver {self.name}")
        return csi.volume_handle

    @asynccontextmanager
    async def _talking(self) -> AsyncIterator[Talking]:
        async with connect(self._endpoint) as connection:
            driver = self._services(connection)
            found = await driver.identity.name()
            if found != self.name:
                raise Failed(f"at {self._endpoint} there is driver {found}, not {self.name}")
            yield driver

    def _services(self, connection: Connection) -> Talking:
        seconds = self._seconds
        return Talking(
            Identity(connection, seconds=seconds),
            Controller(connection, seconds=seconds),
            Node(connection, seconds=seconds),
        )


def _driver_parameters(given: Mapping[str, str]) -> Mapping[str, str]:
    return parameters.read(given).driver


def _text(body: Mapping[str, object], key: str) -> str:
    value = body.get(key) or ""
    if not isinstance(value, str):
        raise Failed(f"csi.{key} is no text")
    return value
