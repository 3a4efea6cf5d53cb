"""The calls about a content: their requests, and the Secrets that go with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controllers.csi.secrets import Secrets
from controllers.csi.snapshotter import parameters
from controllers.csi.snapshotter.references import name_for_driver
from model.csi import VolumeSnapshotClass
from model.names import SNAPSHOT_SECRET_NAME, SNAPSHOT_SECRET_NAMESPACE
from model.secrets import SecretReference
from model.snapshots import VolumeSnapshotContent
from plugins.csi import csi_pb2 as pb
from plugins.csi.driver import Driver
from plugins.errors import Failed

GET: Final = "GET_SNAPSHOT"
LIST: Final = "LIST_SNAPSHOTS"


class NotAsked(Failed):
    """The driver was not asked: what the call needs can not be had. What it did before is as it was."""


@dataclass(frozen=True)
class Found:
    """What the driver says of a snapshot."""

    handle: str
    ready: bool
    created_nanoseconds: int | None = None
    size_bytes: int | None = None


class Calls:
    """The driver, as contents need it. Every call raises PluginError, and KubeError where a Secret is not answered."""

    def __init__(
        self,
        driver: Driver,
        secrets: Secrets,
        snapshot_class: Callable[[str], VolumeSnapshotClass | None],
        *,
        names: bool,
    ) -> None:
        """`snapshot_class` knows classes by name; with `names` the driver is told those of the objects."""
        self._driver = driver
        self._secrets = secrets
        self._class = snapshot_class
        self._names = names

    async def request(self, content: VolumeSnapshotContent, volume: str) -> pb.CreateSnapshotRequest:
        """The request that takes the snapshot. Raises NotAsked: it can not be made."""
        try:
            told = parameters.told_to_driver(self._parameters(content), content, names=self._names)
            secrets = await self._secrets.read(_of_content(content))
        except Failed as error:
            raise NotAsked(str(error)) from None
        return pb.CreateSnapshotRequest(
            source_volume_id=volume, name=name_for_driver(content), secrets=secrets, parameters=told
        )

    async def take(self, request: pb.CreateSnapshotRequest) -> Found:
        """Take it, or see how far it is."""
        return _found(await self._driver.controller.create_snapshot(request))

    async def look(self, content: VolumeSnapshotContent, handle: str) -> Found:
        """How a snapshot is that was there before; one of a driver that can not tell is taken to be ready."""
        if not self._driver.calls & {GET, LIST}:
            return Found(handle, ready=True)
        reference = content.spec.volume_snapshot_ref
        named = parameters.secret(self._parameters(content), parameters.LISTER, content.name, reference)
        secrets = await self._secrets.read(named)
        if GET in self._driver.calls:
            return _found(await self._driver.controller.snapshot(handle, secrets))
        async for each in self._driver.controller.snapshots(snapshot_id=handle, secrets=secrets):
            if each.snapshot_id == handle:
                return _found(each)
        raise Failed(f"driver {self._driver.name} knows no snapshot {handle}")

    async def destroy(self, content: VolumeSnapshotContent, handle: str) -> None:
        """Delete it on the storage."""
        secrets = await self._secrets.read(_of_content(content))
        await self._driver.controller.delete_snapshot(handle, secrets)

    def _parameters(self, content: VolumeSnapshotContent) -> dict[str, str]:
        """Those of the content's class; none where it has no class."""
        name = content.spec.volume_snapshot_class_name
        if not name:
            return {}
        found = self._class(name)
        if found is None:
            raise NotAsked(f"there is no VolumeSnapshotClass {name}")
        return found.parameters or {}


def _of_content(content: VolumeSnapshotContent) -> SecretReference | None:
    """The Secret that the content's annotations name."""
    name = content.annotations.get(SNAPSHOT_SECRET_NAME, "")
    namespace = content.annotations.get(SNAPSHOT_SECRET_NAMESPACE, "")
    if not name and not namespace:
        return None
    if not name or not namespace:
        raise NotAsked(f"annotations {SNAPSHOT_SECRET_NAME} and {SNAPSHOT_SECRET_NAMESPACE} go together")
    return SecretReference(namespace, name)


def _found(snapshot: pb.Snapshot) -> Found:
    created = snapshot.creation_time.ToNanoseconds() if snapshot.HasField("creation_time") else 0
    return Found(
        snapshot.snapshot_id,
        ready=snapshot.ready_to_use,
        created_nanoseconds=created if created > 0 else None,
        size_bytes=snapshot.size_bytes if snapshot.size_bytes > 0 else None,
    )
