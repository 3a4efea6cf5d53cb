"""A cluster in plain tables: what the informer caches are to the extender, for tests without a server."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Generic

import msgspec

from extender.snapshot import Rules, Snapshot
from extender.stores import Index, Stores, indexes
from model import resources
from model.meta import JSON, Object
from model.resources import ObjectT, Resource

RESOURCES: Final[Mapping[str, Resource[Any]]] = {
    "pods": resources.PODS,
    "nodes": resources.NODES,
    "claims": resources.CLAIMS,
    "volumes": resources.VOLUMES,
    "classes": resources.CLASSES,
    "csi_nodes": resources.CSI_NODES,
    "csi_drivers": resources.CSI_DRIVERS,
    "capacities": resources.CAPACITIES,
    "attachments": resources.ATTACHMENTS,
}


class Table(Generic[ObjectT]):
    """Objects by key, every index a scan."""

    def __init__(self, indexes: Mapping[str, Index]) -> None:
        self._indexes = indexes
        self._objects: dict[str, ObjectT] = {}
        self._handlers: list[Callable[[ObjectT | None, ObjectT | None], None]] = []

    def get(self, key: str) -> ObjectT | None:
        return self._objects.get(key)

    def values(self) -> Collection[ObjectT]:
        return self._objects.values()

    def by(self, index: str, value: str) -> Sequence[ObjectT]:
        return [obj for obj in self._objects.values() if value in self._indexes[index](obj)]

    def subscribe(self, handler: Callable[[ObjectT | None, ObjectT | None], None]) -> None:
        self._handlers.append(handler)
        for obj in self._objects.values():
            handler(None, obj)

    def put(self, obj: ObjectT) -> None:
        old = self._objects.get(obj.key)
        self._objects[obj.key] = obj
        for handler in self._handlers:
            handler(old, obj)

    def remove(self, key: str) -> None:
        old = self._objects.pop(key)
        for handler in self._handlers:
            handler(old, None)


class Cluster:
    """Tables of all kinds and a snapshot that follows them."""

    def __init__(
        self, objects: Iterable[JSON] = (), rules: Rules | None = None, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.tables = {name: Table(indexes(name)) for name in RESOURCES}
        stores = Stores(**{name: table for name, table in self.tables.items() if name != "nodes"})
        self.snapshot = Snapshot(stores, rules or Rules(), clock)
        for name, handler in self.snapshot.handlers.items():
            self.tables[name].subscribe(handler)
        for obj in objects:
            self.put(obj)

    def put(self, obj: JSON) -> Object:
        """Create or replace an object as the API shows it."""
        name = next(name for name, resource in RESOURCES.items() if resource.kind == obj["kind"])
        view: Object = msgspec.convert(obj, RESOURCES[name].view, strict=False)
        self.tables[name].put(view)
        return view

    def remove(self, obj: JSON) -> None:
        """Delete an object."""
        view = self.put(obj)
        next(self.tables[name] for name, resource in RESOURCES.items() if resource.kind == obj["kind"]).remove(view.key)
