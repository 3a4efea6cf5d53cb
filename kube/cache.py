"""An informer: a local, indexed copy of one resource that follows the server, with our own writes laid over it.

Handlers see what the server showed, each change once and in order; `get`, `values` and `by` also show own writes
that the watch has not brought back yet.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Generic, NoReturn

import structlog

from kube.client import Client
from kube.reflector import Reflector, Timing
from kube.store import IndexFunction, Store, same_version
from model.meta import Object
from model.resources import ObjectT, Resource

log = structlog.get_logger()

Handler = Callable[[ObjectT | None, ObjectT | None], None]
"""Called with (old, new): old None = added, new None = deleted, old being what was shown last."""


class Cache(Generic[ObjectT]):
    """One resource, perhaps narrowed by selectors. Read it on the loop's thread; it never blocks."""

    def __init__(
        self,
        client: Client,
        resource: Resource[ObjectT],
        *,
        indexes: Mapping[str, IndexFunction[ObjectT]] | None = None,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        assume_seconds: float = 60.0,
        streaming: bool = True,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        """`streaming` asks for lists as streams where the server can; `assume_seconds` limits belief in own writes."""
        self.resource = resource
        self._clock = clock
        self._heard = float("-inf")
        self._synced = asyncio.Event()
        self._handlers: list[Handler[ObjectT]] = []
        self._store: Store[ObjectT] = Store(clock, assume_seconds)
        for name, function in (indexes or {}).items():
            self._store.add_index(name, function)
        self._reflector = Reflector(
            client,
            resource,
            self,
            namespace=namespace,
            labels=labels,
            fields=fields,
            streaming=streaming,
            timing=timing or Timing(),
            random=random or Random(),  # noqa: S311 - it spreads reconnects, it guards nothing
        )
        self._metrics = client.metrics.caches
        self._metrics.objects.labels(resource.plural).set_function(lambda: len(self._store.all_shown()))
        self._metrics.age_seconds.labels(resource.plural).set_function(lambda: self.age_seconds)
        changes = ("added", "updated", "deleted")
        self._added, self._updated, self._deleted = (
            self._metrics.changes.labels(resource.plural, change) for change in changes
        )

    async def run(self) -> NoReturn:
        """List and watch for ever, through every fault of server and network."""
        await self._reflector.run()

    @property
    def has_synced(self) -> bool:
        """Whether a whole list has been taken in."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when it has."""
        await self._synced.wait()

    @property
    def age_seconds(self) -> float:
        """Seconds since the server last said anything about this resource; infinite before the first word."""
        return self._clock() - self._heard

    def complaint(self, max_age_seconds: float = 180.0) -> str | None:
        """Why it is not to be relied on: not synced, or no word from the server for so long; None when it is."""
        why = f" ({self._reflector.fault})" if self._reflector.fault else ""
        if not self.has_synced:
            return f"{self.resource.plural}: not synced{why}"
        if self.age_seconds > max_age_seconds:
            return f"{self.resource.plural}: no word from the API server for {self.age_seconds:.0f} s{why}"
        return None

    def get(self, key: str) -> ObjectT | None:
        """The object, own writes applied; None when there is none."""
        return self._store.get(key)

    def keys(self) -> Collection[str]:
        """All keys, own writes applied: a snapshot."""
        return self._store.keys()

    def values(self) -> Collection[ObjectT]:
        """All objects, own writes applied: a snapshot."""
        return self._store.values()

    def by(self, index: str, value: str) -> Sequence[ObjectT]:
        """The objects that an index has under `value`, own writes applied: a snapshot.

        Raises:
            KeyError: there is no such index.
        """
        return self._store.by(index, value)

    def add_index(self, name: str, function: IndexFunction[ObjectT]) -> None:
        """A further index, over what is present too."""
        self._store.add_index(name, function)

    def subscribe(self, handler: Handler[ObjectT]) -> None:
        """Call `handler(old, new)` at every change, at once as added for what is present. What it raises is logged."""
        self._handlers.append(handler)
        for obj in list(self._store.all_shown().values()):
            self._call(handler, None, obj)

    @contextmanager
    def subscriptions(self) -> Iterator[None]:
        """Handlers that subscribe while the block runs are called no more once it has ended."""
        before = list(self._handlers)
        try:
            yield
        finally:
            self._handlers = before

    def assume(self, obj: ObjectT) -> None:
        """Show our own write, as the server answered it, until the watch shows it or newer, or the time is up."""
        self._store.assume(obj)

    def forget(self, key: str) -> None:
        """Show what the watch showed again."""
        self._store.forget(key)

    # What follows is for the reflector, and for tests that need no server.

    def heard(self) -> None:
        """The server said something."""
        self._heard = self._clock()

    def replace(self, items: Collection[ObjectT], unreadable: Collection[Object] = (), version: str = "") -> None:
        """This is all there is, at this version; what is unreadable now stays as it was shown last."""
        listed = {obj.key: obj for obj in items}
        kept = {obj.key: obj.uid for obj in unreadable}
        self._store.reach(version, anew=True)
        for key, old in list(self._store.all_shown().items()):
            if key not in listed and kept.get(key) != old.uid:
                self._drop(key)
        for key, obj in listed.items():
            self._take(key, obj)
        self._synced.set()

    def show(self, obj: ObjectT) -> None:
        """The server shows an object, added or changed."""
        self._store.reach(obj.metadata.resource_version)
        self._take(obj.key, obj)

    def remove(self, obj: Object) -> None:
        """The server shows that an object is gone."""
        self._store.reach(obj.metadata.resource_version)
        self._drop(obj.key)

    def reach(self, version: str) -> None:
        """The server has shown all up to this version."""
        self._store.reach(version)

    def _take(self, key: str, obj: ObjectT) -> None:
        old = self._store.shown(key)
        if old is not None and same_version(old, obj):
            return
        if old is not None and old.uid != obj.uid:
            self._drop(key)
            old = None
        self._store.show(key, obj)
        self._tell(old, obj)

    def _drop(self, key: str) -> None:
        old = self._store.shown(key)
        if old is not None:
            self._store.show(key, None)
            self._tell(old, None)

    def _tell(self, old: ObjectT | None, new: ObjectT | None) -> None:
        change = self._added if old is None else self._deleted if new is None else self._updated
        change.inc()
        for handler in self._handlers:
            self._call(handler, old, new)

    def _call(self, handler: Handler[ObjectT], old: ObjectT | None, new: ObjectT | None) -> None:
        try:
            handler(old, new)
        except Exception:  # a guard: one handler's fault must harm neither the cache nor the other handlers
            self._metrics.handler_faults.labels(self.resource.plural).inc()
            obj = new or old
            log.exception("handler failed", resource=self.resource.plural, key=obj.key if obj else "")
