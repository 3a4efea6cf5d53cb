"""Nodes that bind had to refuse although filter had let them pass, so that the next attempt tries another.

Filter knows only the class of a claim that waits; bind knows the volume that it would take, and whether the node has a
slot for it. Without a memory the scheduler could choose the same node for ever.
"""

from collections.abc import Callable
from typing import Final

from extender.facts import SlotsFull
from extender.snapshot import Snapshot
from extender.verdict import Objection, Reason, Verdicts
from model.workloads import Pod

_RULE: Final = "NodeVolumeLimits"
REMEMBERED_SECONDS: Final = 30.0
"""A few attempts of the scheduler's back-off; by then slots may have become free."""


class Lessons:
    """What was learnt of late, by pod."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` tells monotonic seconds."""
        self._clock = clock
        self._learnt: dict[str, dict[str, tuple[str, float]]] = {}

    def learn(self, pod: Pod, node: str, driver: str) -> None:
        """The node has no slot of the driver for the volume that the pod would take there."""
        self._learnt.setdefault(pod.uid, {})[node] = (driver, self._clock() + REMEMBERED_SECONDS)

    def applied(self, pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> Verdicts:
        """The verdicts, with what was learnt as further objections, where the driver still has a limit."""
        objections = list(verdicts.objections)
        for node, driver in self._of(pod.uid).items():
            refused = snapshot.nodes.mask_of((node,)) & verdicts.feasible
            if refused and driver in snapshot.slots.on(node).limits:
                fact = SlotsFull(driver)
                objections.append(
                    Objection(Reason.MAX_VOLUME_COUNT, resolvable=True, nodes=refused, fact=fact, rule=_RULE)
                )
        if len(objections) == len(verdicts.objections):
            return verdicts
        return Verdicts(verdicts.asked, tuple(objections), verdicts.plan)

    def _of(self, uid: str) -> dict[str, str]:
        """Drivers by node; all that is out of date is forgotten."""
        if not self._learnt:
            return {}
        now = self._clock()
        for pod, learnt in list(self._learnt.items()):
            for node, (_, ends) in list(learnt.items()):
                if ends <= now:
                    del learnt[node]
            if not learnt:
                del self._learnt[pod]
        return {node: driver for node, (driver, _) in self._learnt.get(uid, {}).items()}
