"""A driver whose volumes are kept in memory: idempotent by name, and unreliable as it is told."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.driver import TOPOLOGY, Driver
from plugins.csi.serving import Bound, Refused, bind
from tests.controllers.csi.beside import told
from tests.controllers.csi.provisioner.cluster import NAME

CALLS: Final = ("CREATE_DELETE_VOLUME", "CLONE_VOLUME", "CREATE_DELETE_SNAPSHOT", "MODIFY_VOLUME")


@dataclass
class Shelf:
    """What is stored, what was asked, and what is to go wrong."""

    volumes: dict[str, pb.CreateVolumeRequest] = field(default_factory=dict)
    """By name; a volume's id is its name with a mark in front."""
    requests: list[pb.CreateVolumeRequest] = field(default_factory=list)
    deletions: list[pb.DeleteVolumeRequest] = field(default_factory=list)
    before: list[StatusCode | None] = field(default_factory=list)
    """How calls that make a volume are refused, one after another; None lets one through."""
    after: list[StatusCode | None] = field(default_factory=list)
    """The same, once they have had their effect: the answer is lost."""
    deletion_faults: list[StatusCode] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    """What the answer says otherwise."""
    unfilled: bool = False
    """Whether volumes are made empty that were to be filled."""
    calls: int = 0
    hangs_before: int = 0
    hangs_after: int = 0
    """The number of the call that gets no answer: it does not arrive, or it has had its effect."""
    hung: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def handles(self) -> set[str]:
        """The ids of all volumes."""
        return {f"h-{name}" for name in self.volumes}

    async def create(self, request: pb.CreateVolumeRequest) -> pb.CreateVolumeResponse:
        self.requests.append(request)
        await self._arrives()
        _raise(self.before)
        known = self.volumes.setdefault(request.name, request)
        if _bare(known) != _bare(request):
            raise Refused(StatusCode.ALREADY_EXISTS, "there is another volume of that name")
        _raise(self.after)
        await self._answered()
        volume = pb.Volume(
            volume_id=f"h-{request.name}",
            capacity_bytes=request.capacity_range.required_bytes,
            accessible_topology=request.accessibility_requirements.preferred[:1],
        )
        if request.HasField("volume_content_source") and not self.unfilled:
            volume.content_source.CopyFrom(request.volume_content_source)
        for key, value in self.answer.items():
            volume.ClearField(key)
            volume.MergeFrom(pb.Volume(**{key: value}))
        return pb.CreateVolumeResponse(volume=volume)

    async def delete(self, request: pb.DeleteVolumeRequest) -> pb.DeleteVolumeResponse:
        self.deletions.append(request)
        await self._arrives()
        _raise(self.deletion_faults)
        self.volumes.pop(request.volume_id.removeprefix("h-"), None)
        await self._answered()
        return pb.DeleteVolumeResponse()

    async def _arrives(self) -> None:
        self.calls += 1
        if self.calls == self.hangs_before:
            self.hung.set()
            await asyncio.Event().wait()

    async def _answered(self) -> None:
        if self.calls == self.hangs_after:
            self.hung.set()
            await asyncio.Event().wait()


@asynccontextmanager
async def reached(
    folder: Path,
    shelf: Shelf,
    *,
    name: str = NAME,
    calls: Iterable[str] = CALLS,
    topology: bool = False,
    seconds: float = 0.3,
    more: Iterable[Bound] = (),
) -> AsyncIterator[Driver]:
    """The driver, with these capabilities; it answers `more` calls, too."""
    bound = [*more, bind(wire.CREATE_VOLUME, shelf.create), bind(wire.DELETE_VOLUME, shelf.delete)]
    async with told(folder, bound, name=name, controller=calls, seconds=seconds) as driver:
        yield replace(driver, services=driver.services | ({TOPOLOGY} if topology else set()))


def _raise(faults: list[Any]) -> None:
    fault = faults.pop(0) if faults else None
    if fault is not None:
        raise Refused(fault, "as told")


def _bare(request: pb.CreateVolumeRequest) -> bytes:
    """What must be the same when a volume of that name is asked for again."""
    copy = pb.CreateVolumeRequest.FromString(request.SerializeToString(deterministic=True))
    copy.ClearField("secrets")
    return copy.SerializeToString(deterministic=True)
