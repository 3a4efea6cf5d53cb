"""What was decided for pods of late: bounded, in memory, to be asked for afterwards."""

from collections import OrderedDict, deque
from typing import Final

import msgspec

PODS: Final = 2000
"""Pods remembered; the one that was decided on longest ago is forgotten first."""
EACH: Final = 10
"""Decisions remembered of one pod."""


class Decision(msgspec.Struct, frozen=True, rename="camel"):
    """One answer to the scheduler."""

    time: str
    """UTC, RFC 3339."""
    verb: str
    pod_uid: str
    outcome: str
    """In one sentence."""
    feasible: int | None = None
    """Nodes that suit, of a filter's answer."""
    asked: int | None = None
    rejected: dict[str, int] = {}
    """Nodes by reason, of a filter's answer."""


class Decisions:
    """The last decisions by pod key."""

    def __init__(self, pods: int = PODS, each: int = EACH) -> None:
        self._pods, self._each = pods, each
        self._last: OrderedDict[str, deque[Decision]] = OrderedDict()

    def record(self, pod: str, decision: Decision) -> None:
        """Remember one. A decision that says again what the last one said takes its place."""
        said = self._last.setdefault(pod, deque(maxlen=self._each))
        if said and msgspec.structs.replace(said[-1], time=decision.time) == decision:
            said.pop()
        said.append(decision)
        self._last.move_to_end(pod)
        while len(self._last) > self._pods:
            self._last.popitem(last=False)

    def of(self, pod: str) -> list[Decision]:
        """Those about a pod, the oldest first."""
        return list(self._last.get(pod, ()))
