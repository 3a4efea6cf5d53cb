"""Where evicting pods of lower priority makes room, who they are, and which of these nodes is the best one.

As in DefaultPreemption. A node that only an extender has refused is proposed with nobody to evict, as kube-scheduler
does from release 1.38 on: the extender says whom. Disruption budgets are not heeded: nothing here counts for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.scheduler.checks import Objection
from sandbox.scheduler.cluster import Cluster, Resident
from sandbox.scheduler.diagnosis import Diagnosis
from sandbox.scheduler.resources import Usage
from sandbox.scheduler.views import Node, Pod

NOT_ELIGIBLE: Final = "preemption: not eligible due to preemptionPolicy=Never."
UNDER_WAY: Final = "preemption: not eligible due to a terminating pod on the nominated node."
NO_CANDIDATE: Final = "preemption: no candidate node for preemption"

_UNHELPFUL: Final = Objection(("Preemption is not helpful for scheduling",))
_NO_VICTIMS: Final = Objection(("No preemption victims found for incoming pod",))

Victims = tuple[Pod, ...]
Check = Callable[[Node, Usage], Objection | None]
"""The scheduler's own checks of the pod."""


@dataclass(frozen=True)
class Proposals:
    """The candidates, and for when there are none, why."""

    victims: Mapping[str, Victims]
    message: str = ""


def ineligible(pod: Pod, cluster: Cluster) -> str:
    """Why the pod may not have others evicted now; "" if it may."""
    if pod.spec.preemption_policy == "Never":
        return NOT_ELIGIBLE
    residents = cluster.residents(pod.status.nominated_node_name)
    if any(each.pod.deleting and each.pod.priority < pod.priority for each in residents):
        return UNDER_WAY
    return ""


def propose(pod: Pod, cluster: Cluster, diagnosis: Diagnosis, check: Check) -> Proposals:
    """Per node whose objection can be cured that way, the fewest and lowest to evict."""
    victims: dict[str, Victims] = {}
    objections = dict.fromkeys(cluster.nodes, _UNHELPFUL)
    for name, objection in diagnosis.objections.items():
        if objection.resolvable and name in cluster.nodes:
            found = _on_node(pod, cluster, name, check)
            if isinstance(found, Objection):
                objections[name] = found
            else:
                victims[name] = found
    return Proposals(victims, f"preemption: {Diagnosis(len(cluster.nodes), objections).message}")


def best(proposals: Mapping[str, Victims]) -> str | None:
    """The node whose highest victim is lowest, then with the lowest sum, the fewest, the youngest; None for none."""

    def loss(node: str) -> tuple[int, int, int, _Backwards, str]:
        victims = proposals[node]
        priorities = [each.priority for each in victims]
        highest = [each for each in victims if each.priority == max(priorities)]
        since = min(each.status.start_time or "~" for each in highest)
        # Sums are over priorities lifted to be positive: more victims must not make a sum smaller.
        lifted = sum(priority + 2**31 for priority in priorities)
        return max(priorities), lifted, len(victims), _Backwards(since), node

    return min((node for node, victims in proposals.items() if victims), key=loss, default=None)


def named(answered: Mapping[str, Sequence[str]], cluster: Cluster) -> dict[str, Victims]:
    """The victims that an extender answered with, by UID.

    Raises:
        LookupError: a node that is not there, or a pod that is not on it.
    """
    return {node: tuple(_resident(cluster, node, uid) for uid in uids) for node, uids in answered.items()}


def _resident(cluster: Cluster, node: str, uid: str) -> Pod:
    if node not in cluster.nodes:
        raise LookupError(f'node "{node}" is not found')
    for each in cluster.residents(node):
        if each.pod.uid == uid:
            return each.pod
    raise LookupError(f"claims to preempt pod (UID: {uid}) on node: {node}, but the pod is not found on that node")


def _on_node(pod: Pod, cluster: Cluster, name: str, check: Check) -> Victims | Objection:
    lower = sorted(
        (each for each in cluster.residents(name) if each.pod.priority < pod.priority),
        key=lambda each: (-each.pod.priority, each.pod.status.start_time or "~", each.pod.key),
    )
    if not lower:
        return _NO_VICTIMS
    used = cluster.usage(name, pod).without(each.requests for each in lower)
    if refusal := check(cluster.nodes[name], used):
        return refusal
    victims: list[Resident] = []
    # The highest and oldest are let stay first.
    for each in lower:
        with_it = used.beside([each.requests])
        if check(cluster.nodes[name], with_it):
            victims.append(each)
        else:
            used = with_it
    return tuple(each.pod for each in victims)


class _Backwards(str):
    """Text that sorts the latest first."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)
