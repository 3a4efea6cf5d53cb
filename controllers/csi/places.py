"""Where a driver's nodes are: the labels that its topology is made of, from CSINodes and Nodes.

What many claims ask for is counted up once, until a node's labels or a registration change.
"""

from collections.abc import Iterable, Sequence

from kube.caches import Caches
from model.csi import CSINode
from model.workloads import Node

Segment = dict[str, str]


class Places:
    """The places of one driver."""

    def __init__(self, caches: Caches, driver: str) -> None:
        self._nodes, self._csi_nodes = caches.nodes, caches.csi_nodes
        self._driver = driver
        self._known: dict[tuple[str, ...], list[Segment]] = {}
        self._usual: tuple[str, ...] | None = None
        self._segments: list[Segment] | None = None
        caches.nodes.subscribe(self._on_node)
        caches.csi_nodes.subscribe(self._on_csi_node)

    def keys_in(self, csi_node: CSINode) -> tuple[str, ...] | None:
        """The keys that the driver registered there; None where it is not registered."""
        for driver in csi_node.spec.drivers or ():
            if driver.name == self._driver:
                return tuple(sorted(driver.topology_keys or ()))
        return None

    def usual_keys(self) -> tuple[str, ...]:
        """The keys of a node that has the driver with any; none while there is no such node."""
        if self._usual is None:
            found = (keys for each in self._registered() if (keys := self.keys_in(each)))
            self._usual = next(found, ())
        return self._usual

    def having(self, keys: Sequence[str]) -> list[Segment]:
        """The distinct places that the cluster's nodes with all of these labels are in; sorted."""
        key = tuple(sorted(keys))
        if key not in self._known:
            self._known[key] = distinct(key, self._nodes.values()) if key else []
        return self._known[key]

    def anywhere(self) -> list[Segment]:
        """Those by the usual keys."""
        return self.having(self.usual_keys())

    def segments(self) -> list[Segment]:
        """The distinct places of the nodes that have the driver, each by its own keys."""
        if self._segments is None:
            found = set()
            for csi_node in self._registered():
                node, keys = self._nodes.get(csi_node.name), self.keys_in(csi_node)
                if node is not None and keys:
                    found |= {tuple(each.items()) for each in distinct(keys, [node])}
            self._segments = [dict(each) for each in sorted(found)]
        return self._segments

    def _registered(self) -> list[CSINode]:
        return sorted(self._csi_nodes.values(), key=lambda each: each.name)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or old.labels != new.labels:
            self._known.clear()
            self._segments = None

    def _on_csi_node(self, _old: CSINode | None, _new: CSINode | None) -> None:
        self._usual = self._segments = None


def distinct(keys: Sequence[str], nodes: Iterable[Node]) -> list[Segment]:
    """The places of nodes that have all of these labels; sorted, each once."""
    found = {
        tuple((key, node.labels[key]) for key in keys) for node in nodes if all(key in node.labels for key in keys)
    }
    return [dict(each) for each in sorted(found)]
