"""A model of the API server for one resource: versions, history, compaction; and a client of it without a network.

Deterministic: what goes wrong is queued beforehand or done by hand. Times are the loop's.
"""

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from kube.decode import Bookmark, Deleted, Page, Shown
from kube.errors import Gone, Invalid, KubeError, Unreachable
from kube.metrics import Metrics
from model.workloads import Node
from tests.kube.objects import node


@dataclass
class Fault:
    """Something that goes wrong with one list or watch: after so many events, with this error (None: a clean end)."""

    after: int = 0
    error: KubeError | None = None


@dataclass
class _News:
    """Something happened; `end` is how it ends the watches, if it does."""

    come: asyncio.Event = field(default_factory=asyncio.Event)
    end: KubeError | str | None = None


@dataclass
class History:
    """What the server knows. `deletes_count`: whether a deleted object carries the version of its deletion."""

    deletes_count: bool = True
    version: int = 1
    compacted: int = 0
    objects: dict[str, Node] = field(default_factory=dict)
    log: list[tuple[int, Shown[Node] | Deleted]] = field(default_factory=list)
    states: dict[int, dict[str, str]] = field(default_factory=lambda: {1: {}})
    """Name to version of every object, at each version: all that was ever true."""
    uids: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    streaming: str = "yes"
    """Whether it knows streamed lists: `yes`, `refuses`, `ignores`."""
    bookmark_seconds: float = 60.0
    opened: list[str] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    _news: _News = field(default_factory=_News)

    def put(self, name: str, **labels: str) -> Node:
        """Create or change an object."""
        self.version += 1
        if name not in self.objects:
            self.uids += 1
        uid = self.objects[name].uid if name in self.objects else f"uid-{self.uids}"
        self.objects[name] = obj = node(name, self.version, uid, **labels)
        self._append(Shown(obj))
        return obj

    def delete(self, name: str) -> None:
        self.version += 1
        old = self.objects.pop(name)
        self._append(Deleted(node(name, self.version, old.uid) if self.deletes_count else old))

    def _append(self, event: Shown[Node] | Deleted) -> None:
        self.log.append((self.version, event))
        self.states[self.version] = {name: obj.metadata.resource_version for name, obj in self.objects.items()}
        self._wake()

    def compact(self) -> None:
        """Forget the past: only watches from now on are served."""
        self.compacted = self.version

    def cut(self) -> None:
        """Break all watches."""
        self._finish(Unreachable("cut"))

    def end(self) -> None:
        """End all watches cleanly."""
        self._finish("clean")

    def expire(self) -> None:
        """Tell all watches that they are too old."""
        self._finish(Gone(410, "Expired"))

    def _finish(self, how: KubeError | str) -> None:
        self._news.end = how
        self._wake()

    def _wake(self) -> None:
        passed, self._news = self._news, _News()
        passed.come.set()

    def others(self, writes: int) -> None:
        """Other resources are written."""
        self.version += writes

    async def snapshot(self, resource, namespace="", *, labels="", fields=""):
        self.opened.append("list")
        await asyncio.sleep(0.01)
        fault = self.faults.popleft() if self.faults else None
        if fault and fault.error:
            raise fault.error
        return Page(list(self.objects.values()), [], str(self.version))

    @asynccontextmanager
    async def watch(self, resource, namespace="", *, version, streamed_list=False, server_seconds, **_options):
        self.opened.append("streamed list" if streamed_list else f"watch {version}")
        await asyncio.sleep(0.01)
        fault = self.faults.popleft() if self.faults else None
        if fault and fault.error and not fault.after:
            raise fault.error
        if streamed_list and self.streaming == "refuses":
            raise Invalid(422, "Invalid", "sendInitialEvents is forbidden")
        if not streamed_list and int(version) < self.compacted:
            raise Gone(410, "Expired")
        events = self._events(version, streamed_list, server_seconds)
        yield _faulty(events, fault) if fault else events
        await events.aclose()

    async def _events(self, version, streamed_list, server_seconds):
        ends = asyncio.get_running_loop().time() + server_seconds
        position = self.version if streamed_list else int(version)
        if streamed_list:
            for obj in list(self.objects.values()):
                yield Shown(obj)
            if self.streaming == "yes":
                yield Bookmark(str(position), complete=True)
        while asyncio.get_running_loop().time() < ends:
            news = self._news
            for at, each in [entry for entry in self.log if entry[0] > position]:
                yield each
                position = at
            if news is not self._news:
                continue
            try:
                async with asyncio.timeout(self.bookmark_seconds):
                    await news.come.wait()
            except TimeoutError:
                if self.streaming != "ignores":
                    position = self.version
                    yield Bookmark(str(position), complete=False)
                continue
            if isinstance(news.end, KubeError):
                raise news.end
            if news.end:
                return


async def _faulty(events, fault):
    try:
        left = fault.after
        async for each in events:
            if not left:
                break
            left -= 1
            yield each
        if fault.error:
            raise fault.error
    finally:
        await events.aclose()
