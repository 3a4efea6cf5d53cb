"""CSI volumes for pods: staged once for the node, published for each pod, as directories or as devices.

A data file is written before the driver is called, so that whatever the driver has done can be undone after a restart.
After a call that is over with a failure nothing is left; after one in doubt all is, and the same call is made again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from plugins import folders
from plugins.blocking import Blocking
from plugins.csi import csi_pb2 as pb
from plugins.csi.connection import connect
from plugins.csi.mounting import layout, requests
from plugins.csi.mounting.requests import Context, DriverSpec, Fields, SecretReference, TokenRequest
from plugins.csi.node import SECONDS, Node
from plugins.errors import Failed, InDoubt, NotSupported, PluginError
from plugins.host import Host
from plugins.source import PodFacts, Source, path_part

T = TypeVar("T")


class Drivers(Protocol):
    """The drivers that are registered on this node."""

    def endpoint(self, name: str) -> str | None:
        """Where a driver answers; None where it is not registered."""


class Cluster(Protocol):
    """What the API says about drivers, attachments and pods' tokens."""

    async def driver(self, name: str) -> DriverSpec | None:
        """A driver's CSIDriver, or None."""

    async def attached(self, attachment: str) -> Mapping[str, str] | None:
        """The metadata of a VolumeAttachment that is attached; None while it is not."""

    async def tokens(self, pod: PodFacts, wanted: Sequence[TokenRequest]) -> Mapping[str, Mapping[str, str]]:
        """Tokens of the pod's service account by audience."""


class CsiMounter:
    """The CSI volumes of one node."""

    def __init__(self, host: Host, drivers: Drivers, cluster: Cluster, *, seconds: float = SECONDS) -> None:
        self._host = host
        self._drivers = drivers
        self._cluster = cluster
        self._seconds = seconds
        self._blocking = Blocking(60.0)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- for the node ---

    def can_mount_device(self, source: Source) -> bool:
        return source.persistent and source.volume_mode != "Block"

    async def device_mount_path(self, source: Source) -> Path:
        fields = _persistent(source)
        return layout.staging_path(self._host.root, fields.driver, fields.volume_handle)

    async def mount_device(self, source: Source, device: str, path: Path, fs_group: int | None = None) -> None:
        del device
        fields = _persistent(source)
        async with self._lock(path), self._node(fields.driver) as node:
            has = await node.capabilities()
            if "STAGE_UNSTAGE_VOLUME" not in has:
                return
            context = Context(await self._published(fields), await self._secrets(fields.node_stage_secret_ref, ""))
            facts = {"driverName": fields.driver, "volumeHandle": fields.volume_handle}
            await self._run(path.parent, "writing", partial(layout.write, path.parent, facts))
            await self._host.make_directory(path)
            try:
                await node.stage(requests.stage(source, str(path), has, context, fs_group))
            except Failed:
                await self._clear(path)
                raise

    async def unmount_device(self, path: Path) -> None:
        if not layout.is_ours(self._host.root, path):
            raise Failed(f"{path} is none of CSI's staging paths")
        async with self._lock(path):
            data = await self._run(path.parent, "reading", partial(layout.read, path.parent))
            if data is not None:
                async with self._node(data.get("driverName", "")) as node:
                    if "STAGE_UNSTAGE_VOLUME" in await node.capabilities():
                        await node.unstage(data.get("volumeHandle", ""), str(path))
            await self._clear(path)

    # --- for pods ---

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        fields, folder = source.fields(Fields), self._host.pod_path(layout.PLUGIN, pod.uid, source.name)
        handle = fields.volume_handle if source.persistent else layout.ephemeral_handle(pod.uid, source.name)
        spec = await self._spec(fields.driver)
        _check_mode(source, spec, fields.driver)
        target = folder / "mount"
        async with self._lock(folder), self._node(fields.driver) as node:
            mounted = await self._host.mounts.is_mount_point(target)
            if mounted and not spec.requires_republish:
                return target
            has = await node.capabilities()
            staging = ""
            if source.persistent and "STAGE_UNSTAGE_VOLUME" in has:
                staging = str(await self.device_mount_path(source))
            context = await self._context(source, pod, spec, fields)
            request = requests.publish(source, handle, (staging, str(target)), has, spec, pod, context)
            facts = self._facts(source, handle)
            await self._run(folder, "writing", partial(layout.write, folder, facts))
            await self._publish(node, request, target, mounted=mounted)
            if pod.fs_group is not None and requests.gives_group(source, spec, has):
                await self._host.ownership.give(target, pod.fs_group, pod.fs_group_change_policy)
        return target

    async def unmount(self, name: str, pod_uid: str) -> None:
        folder = self._host.pod_path(layout.PLUGIN, pod_uid, name)
        async with self._lock(folder):
            data = await self._run(folder, "reading", partial(layout.read, folder))
            if data is None:
                if await self._run(folder, "looking at", folder.exists):
                    raise Failed(f"{folder} has no {layout.DATA}: it can not be told what is mounted there")
                return
            async with self._node(data.get("driverName", "")) as node:
                await node.unpublish(data.get("volumeHandle", ""), str(folder / "mount"))
            await self._clear(folder / "mount")

    # --- devices for pods ---

    async def map_device(self, source: Source, pod: PodFacts) -> Path:
        fields, spec = _persistent(source), await self._spec(source.fields(Fields).driver)
        name, devices = path_part(source.name), layout.devices_folder(self._host.root)
        staging, target = devices / "staging" / name, devices / "publish" / name / path_part(pod.uid)
        link = self._host.pod_device_path(layout.PLUGIN, pod.uid, source.name)
        async with self._lock(devices / name), self._node(fields.driver) as node:
            has = await node.capabilities()
            facts = self._facts(source, fields.volume_handle)
            await self._run(devices / name, "writing", partial(layout.write, devices / name / "data", facts))
            await self._host.make_directory(staging)
            await self._host.make_directory(target.parent)
            if "STAGE_UNSTAGE_VOLUME" in has:
                context = Context(await self._published(fields), await self._secrets(fields.node_stage_secret_ref, ""))
                await node.stage(requests.stage(source, str(staging), has, context, None))
            context = await self._context(source, pod, spec, fields)
            paths = (str(staging), str(target))
            await node.publish(requests.publish(source, fields.volume_handle, paths, has, spec, pod, context))
            await self._run(link, "linking", partial(folders.link, link, target))
        return link

    async def unmap_device(self, name: str, pod_uid: str) -> None:
        devices = layout.devices_folder(self._host.root)
        staging, target = (
            devices / "staging" / path_part(name),
            devices / "publish" / path_part(name) / path_part(pod_uid),
        )
        link = self._host.pod_device_path(layout.PLUGIN, pod_uid, name)
        data_folder = devices / path_part(name) / "data"
        async with self._lock(devices / name):
            await self._run(link, "unlinking", partial(link.unlink, missing_ok=True))
            data = await self._run(data_folder, "reading", partial(layout.read, data_folder))
            if data is None:
                return
            async with self._node(data.get("driverName", "")) as node:
                await node.unpublish(data.get("volumeHandle", ""), str(target))
                if await self._run(target.parent, "looking into", partial(_has_entries, target.parent)):
                    return  # another pod has it
                if "STAGE_UNSTAGE_VOLUME" in await node.capabilities():
                    await node.unstage(data.get("volumeHandle", ""), str(staging))
            await self._host.remove_directory(staging)
            await self._host.remove_directory(target.parent)
            await self._run(data_folder, "removing", partial(layout.remove, data_folder))
            await self._host.remove_directory(data_folder.parent)

    # --- growing ---

    async def expand_on_node(self, source: Source, device: str, path: Path, new_bytes: int, old_bytes: int) -> None:
        del device, old_bytes
        fields = _persistent(source)
        async with self._node(fields.driver) as node:
            has = await node.capabilities()
            if "EXPAND_VOLUME" not in has:
                raise NotSupported(f"driver {fields.driver} does not grow volumes on nodes")
            staging = ""
            if "STAGE_UNSTAGE_VOLUME" in has and source.volume_mode != "Block":
                staging = str(await self.device_mount_path(source))
            request = pb.NodeExpandVolumeRequest(
                volume_id=fields.volume_handle,
                volume_path=str(path),
                capacity_range=pb.CapacityRange(required_bytes=new_bytes),
                staging_target_path=staging,
                volume_capability=requests.capability(source, has),
                secrets=await self._secrets(fields.node_expand_secret_ref, ""),
            )
            await node.expand(request)

    # --- steps ---

    async def _publish(self, node: Node, request: pb.NodePublishVolumeRequest, target: Path, *, mounted: bool) -> None:
        try:
            await node.publish(request)
        except PluginError as error:
            if isinstance(error, InDoubt) or mounted:
                raise  # a mount that works is left alone, also where renewing it failed
            await self._clear(target)
            raise

    async def _context(self, source: Source, pod: PodFacts, spec: DriverSpec, fields: Fields) -> Context:
        published = await self._published(fields) if source.persistent else {}
        namespace = "" if source.persistent else pod.namespace
        secrets = await self._secrets(fields.node_publish_secret_ref, namespace)
        wanted = spec.token_requests
        return Context(published, secrets, await self._cluster.tokens(pod, wanted) if wanted else {})

    async def _published(self, fields: Fields) -> Mapping[str, str]:
        """What attaching has answered."""
        if not (await self._spec(fields.driver)).attach_required:
            return {}
        name = layout.attachment_name(fields.volume_handle, fields.driver, self._host.node)
        found = await self._cluster.attached(name)
        if found is None:
            raise Failed(f"volume {fields.volume_handle} of driver {fields.driver} is not attached yet ({name})")
        return found

    async def _secrets(self, reference: SecretReference | None, namespace: str) -> Mapping[str, str]:
        """The values of a secret; of the given namespace alone, where there is one."""
        if reference is None or not reference.name:
            return {}
        where = namespace or reference.namespace
        secret = await self._host.secrets.secret(where, reference.name)
        if secret is None:
            raise Failed(f"there is no secret {where}/{reference.name}")
        try:
            return {key: value.decode() for key, value in secret.data.items()}
        except UnicodeDecodeError:
            raise Failed(f"secret {where}/{reference.name} holds what is no text") from None

    async def _spec(self, driver: str) -> DriverSpec:
        return await self._cluster.driver(driver) or DriverSpec()

    def _facts(self, source: Source, handle: str) -> dict[str, str]:
        driver = source.fields(Fields).driver
        return {
            "specVolID": source.name,
            "volumeHandle": handle,
            "driverName": driver,
            "nodeName": self._host.node,
            "attachmentID": layout.attachment_name(handle, driver, self._host.node),
            "volumeLifecycleMode": "Persistent" if source.persistent else "Ephemeral",
        }

    @asynccontextmanager
    async def _node(self, driver: str) -> AsyncIterator[Node]:
        endpoint = self._drivers.endpoint(driver)
        if endpoint is None:
            raise Failed(f"driver {driver!r} is not registered on this node")
        async with connect(endpoint) as connection:
            yield Node(connection, seconds=self._seconds)

    async def _clear(self, mount_point: Path) -> None:
        """Remove a mount point with its data file; while something is mounted there, both stay."""
        if not await self._host.mounts.is_mount_point(mount_point):
            folder = mount_point.parent
            await self._run(folder, "removing", partial(layout.remove, folder, mount_point.name))

    async def _run(self, path: Path, what: str, work: Callable[[], T]) -> T:
        return await self._blocking.run(str(path), what, work)

    def _lock(self, path: Path) -> asyncio.Lock:
        return self._locks.setdefault(str(path), asyncio.Lock())


def _persistent(source: Source) -> Fields:
    fields = source.fields(Fields)
    if not source.persistent or not fields.driver or not fields.volume_handle:
        raise Failed(f"volume {source.name!r} is no PersistentVolume of a CSI driver")
    return fields


def _check_mode(source: Source, spec: DriverSpec, driver: str) -> None:
    mode = "Persistent" if source.persistent else "Ephemeral"
    if mode not in spec.volume_lifecycle_modes:
        raise Failed(f"driver {driver} does not have the mode {mode} among its volumeLifecycleModes")


def _has_entries(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
