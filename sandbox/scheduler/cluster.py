"""The cluster as the scheduler sees it: nodes, the pods on them, and those that it has just put there itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.scheduler.resources import Amounts, Usage, requests_of
from sandbox.scheduler.views import Node, Pod


@dataclass(frozen=True)
class Resident:
    """A pod on a node, or nominated for one, and what it asks for."""

    pod: Pod
    requests: Amounts


class Cluster:
    """Level-based: told the same twice it stays the same. Pods may be known before their node."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._residents: dict[str, dict[str, Resident]] = {}
        """Per node, by the pod's UID."""
        self._places: dict[str, str] = {}
        """UID to node."""
        self._used: dict[str, Usage] = {}
        """Per node, while its residents stay."""
        self._assumed: set[str] = set()
        self._nominated: dict[str, Resident] = {}

    def put_node(self, node: Node) -> bool:
        """Take in a node; whether that may let a pod fit."""
        known = self.nodes.get(node.name)
        self.nodes[node.name] = node
        return known is None or _placement(known) != _placement(node)

    def remove_node(self, name: str) -> None:
        """The node is gone; its pods are until they go, too."""
        self.nodes.pop(name, None)

    def put_pod(self, pod: Pod) -> bool:
        """Take in a pod as the API server shows it; whether that may let another one fit."""
        if pod.terminated:
            return self.remove_pod(pod.uid)
        if pod.spec.node_name:
            self._nominated.pop(pod.uid, None)
            self._assumed.discard(pod.uid)
            return self._place(pod, pod.spec.node_name)
        if pod.status.nominated_node_name:
            self._nominated[pod.uid] = Resident(pod, requests_of(pod))
        else:
            self._nominated.pop(pod.uid, None)
        return False

    def remove_pod(self, uid: str) -> bool:
        """The pod is gone, or has ended; whether it was on a node."""
        self._nominated.pop(uid, None)
        self._assumed.discard(uid)
        node = self._places.pop(uid, None)
        if node is not None:
            self._displace(uid, node)
        return node is not None

    def assume(self, pod: Pod, node: str) -> None:
        """Count the pod as on the node while it is being bound."""
        self._assumed.add(pod.uid)
        self._place(pod, node)

    def forget(self, uid: str) -> None:
        """The binding has failed. Nothing happens to a pod that the API server shows as bound."""
        if uid in self._assumed:
            self.remove_pod(uid)

    def keep_only(self, uids: set[str], nodes: set[str]) -> bool:
        """Drop what the API server has not any more; whether that was on a node."""
        for name in self.nodes.keys() - nodes:
            self.remove_node(name)
        gone = self._places.keys() - uids
        for uid in gone:
            self.remove_pod(uid)
        return bool(gone)

    def residents(self, node: str) -> tuple[Resident, ...]:
        """The pods on the node, assumed ones too."""
        return tuple(self._residents.get(node, {}).values())

    def count(self, node: str) -> int:
        """How many pods are on the node."""
        return len(self._residents.get(node, ()))

    def usage(self, node: str, pod: Pod) -> Usage:
        """What is used on the node, as far as it counts for this pod: of the nominated, those not below it do."""
        used = self._used.get(node)
        if used is None:
            used = Usage(0, {}).beside(each.requests for each in self.residents(node))
            self._used[node] = used
        return used.beside(each.requests for each in self._ahead(node, pod))

    def _ahead(self, node: str, pod: Pod) -> Iterator[Resident]:
        for uid, each in self._nominated.items():
            named = each.pod.status.nominated_node_name == node and uid not in self._places
            if named and uid != pod.uid and each.pod.priority >= pod.priority:
                yield each

    def _place(self, pod: Pod, node: str) -> bool:
        before = self._places.get(pod.uid)
        if before is not None and before != node:
            self._displace(pod.uid, before)
        self._used.pop(node, None)
        self._places[pod.uid] = node
        self._residents.setdefault(node, {})[pod.uid] = Resident(pod, requests_of(pod))
        return before != node

    def _displace(self, uid: str, node: str) -> None:
        self._used.pop(node, None)
        del self._residents[node][uid]


def _placement(node: Node) -> tuple[object, ...]:
    """What of a node decides over placement."""
    ready = [each.status for each in node.status.conditions or () if each.type == "Ready"]
    return node.labels, node.annotations, node.spec, node.status.allocatable, ready
