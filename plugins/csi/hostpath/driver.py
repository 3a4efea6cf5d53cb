"""The whole driver: its state opened and put in order, its services on the socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from plugins.csi.hostpath.content import Content
from plugins.csi.hostpath.controller import ControllerService
from plugins.csi.hostpath.identity import IdentityService
from plugins.csi.hostpath.node import NodeService
from plugins.csi.hostpath.operations import operations
from plugins.csi.hostpath.settings import Settings
from plugins.csi.hostpath.snapshots import SnapshotService
from plugins.csi.hostpath.store import READY, Snapshot, Store, Volume, opened
from plugins.csi.metrics import AnswerMetrics
from plugins.csi.serving import serve
from plugins.mounts import LinuxMounts, Mounts


@asynccontextmanager
async def running(
    settings: Settings, mounts: Mounts | None = None, registry: CollectorRegistry | None = None
) -> AsyncIterator[Path]:
    """The driver, answering for as long as the block runs; its socket. All that it answers is counted in the registry.

    Raises:
        Failed: the state can not be used, or the socket is taken.
    """
    with opened(settings.state) as store:
        async with operations() as ongoing:
            content = Content(settings.state)
            controller = ControllerService(settings, store, content, ongoing)
            node = NodeService(settings, store, content, controller, ongoing, mounts or LinuxMounts())
            snapshots = SnapshotService(controller, store, content, ongoing)
            await recover(store, content)
            await node.recover()
            calls = [IdentityService(settings).calls(), controller.calls(), snapshots.calls(), node.calls()]
            answers = AnswerMetrics(registry or CollectorRegistry())
            every = [call for service in calls for call in service]
            async with serve(settings.endpoint, every, answers.answered) as socket:
                yield socket


async def recover(store: Store, content: Content) -> None:
    """Remove what was being made or removed when the last process ended: nobody was told that it is there."""
    unfinished: list[Volume | Snapshot] = [*store.all(Volume), *store.all(Snapshot)]
    for record in unfinished:
        if record.state != READY:
            await content.remove(record)
            await store.remove(record)
