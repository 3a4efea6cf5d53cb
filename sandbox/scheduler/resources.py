"""What pods ask for and nodes have, in billionths of each resource's unit.

Rules: "Resource Management for Pods and Containers", "Sidecar Containers" and "Pod Overhead" in the Kubernetes docs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from model.quantity import NANO, nanos
from sandbox.scheduler.views import Node, Pod, Quantities

Amounts = Mapping[str, int]
PODS: Final = "pods"


@dataclass(frozen=True)
class Usage:
    """What the pods of a node use together."""

    pods: int
    amounts: Amounts

    def without(self, requests: Iterable[Amounts]) -> "Usage":
        """The usage once the pods with these requests are gone."""
        amounts, pods = dict(self.amounts), self.pods
        for each in requests:
            pods -= 1
            for name, amount in each.items():
                amounts[name] = amounts.get(name, 0) - amount
        return Usage(pods, amounts)

    def beside(self, requests: Iterable[Amounts]) -> "Usage":
        """The usage with pods of these requests added."""
        listed = list(requests)
        return Usage(self.pods + len(listed), _sum(self.amounts, *listed))


def requests_of(pod: Pod) -> Amounts:
    """What the pod asks for: the larger of what runs at the end and of what starting takes, and its overhead.

    What the pod asks for as a whole stands in place of what its containers say.
    """
    running = _sum(*(_amounts(each.requests) for each in pod.spec.containers or ()))
    beside: Amounts = {}
    starting: Amounts = {}
    for container in pod.spec.init_containers or ():
        needed = _sum(beside, _amounts(container.requests))
        if container.restart_policy == "Always":
            beside = needed
        starting = _most(starting, needed)
    needs = _most(_sum(running, beside), starting)
    if pod.spec.resources is not None:
        needs = {**needs, **_amounts(pod.spec.resources.requests or {})}
    return _sum(needs, _amounts(pod.spec.overhead or {}))


def room_of(node: Node) -> Amounts:
    """What the node lets pods use."""
    return _amounts(node.status.allocatable or {})


def short_of(requests: Amounts, room: Amounts, used: Usage, ignored: frozenset[str]) -> tuple[tuple[str, ...], bool]:
    """The reasons for which a node has not enough left, and whether it would have with all its pods gone."""
    reasons, curable = [], True
    if used.pods + 1 > room.get(PODS, 0) // NANO:
        reasons.append("Too many pods")
    for name, amount in requests.items():
        if amount > 0 and name not in ignored and amount > room.get(name, 0) - used.amounts.get(name, 0):
            reasons.append(f"Insufficient {name}")
            curable = curable and amount <= room.get(name, 0)
    return tuple(reasons), curable


def _amounts(quantities: Quantities) -> Amounts:
    return {name: nanos(text) for name, text in quantities.items()}


def _sum(*parts: Amounts) -> Amounts:
    total: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}
