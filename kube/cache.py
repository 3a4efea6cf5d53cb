"""An informer: a local, indexed copy of one resource that follows the server, with our own writes laid over it.

Handlers see what the server showed, each change once and in order; `get`, `values` and `by` also show own writes
that the watch has not brought back yet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Generic, NoReturn

from kube.client import Client
from model.resources import ObjectT, Resource

Handler = Callable[[ObjectT | None, ObjectT | None], None]
"""Called with (old, new): old None = added, new None = deleted, old being what was shown last."""
Index = Callable[[ObjectT], Iterable[str]]
"""The values under which an object is found; pure."""


class Cache(Generic[ObjectT]):
    """One resource, perhaps narrowed by selectors. Read it on the loop's thread; it never blocks."""

    def __init__(
        self,
        client: Client,
        resource: Resource[ObjectT],
        *,
        indexes: Mapping[str, Index[ObjectT]] | None = None,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        assume_seconds: float = 60.0,
        streaming: bool = True,
    ) -> None:
        """`streaming` asks for the first list as a stream where the server can; `assume_seconds` limits own writes."""
        raise NotImplementedError

    async def run(self) -> NoReturn:
        """List and watch for ever, through every fault of server and network."""
        raise NotImplementedError

    @property
    def has_synced(self) -> bool:
        """Whether a whole list has been taken in."""
        raise NotImplementedError

    async def wait_synced(self) -> None:
        """Return when it has."""
        raise NotImplementedError

    @property
    def age_seconds(self) -> float:
        """Seconds since the server last said anything about this resource; infinite before the first word."""
        raise NotImplementedError

    def get(self, key: str) -> ObjectT | None:
        """The object, own writes applied; None when there is none."""
        raise NotImplementedError

    def keys(self) -> Collection[str]:
        """All keys, own writes applied."""
        raise NotImplementedError

    def values(self) -> Collection[ObjectT]:
        """All objects, own writes applied: a snapshot."""
        raise NotImplementedError

    def by(self, index: str, value: str) -> Sequence[ObjectT]:
        """The objects that an index function put under `value`, own writes applied: a snapshot."""
        raise NotImplementedError

    def add_index(self, name: str, index: Index[ObjectT]) -> None:
        """A further index, over what is present too."""
        raise NotImplementedError

    def subscribe(self, handler: Handler[ObjectT]) -> None:
        """Call `handler(old, new)` at every change, at once as added for what is present. What it raises is logged."""
        raise NotImplementedError

    def assume(self, obj: ObjectT) -> None:
        """Show our own write, as the server answered it, until the watch shows it or newer, or the time is up."""
        raise NotImplementedError

    def forget(self, key: str) -> None:
        """Show what the watch showed again."""
        raise NotImplementedError
