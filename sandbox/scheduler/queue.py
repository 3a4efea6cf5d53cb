"""The pods that wait for a node: ready by priority and age, in back-off, or until something in the cluster changes.

As in kube-scheduler: back-off doubles from one second to ten, nobody waits for a change longer than five minutes, and
a change that happens during an attempt counts for it. Times are monotonic seconds.
"""

import heapq
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sandbox.scheduler.views import Pod

FIRST_BACKOFF: Final = 1.0
LONGEST_BACKOFF: Final = 10.0
LONGEST_WAIT: Final = 300.0


class _State(Enum):
    READY = auto()
    BACKING_OFF = auto()
    WAITING = auto()
    IN_ATTEMPT = auto()


@dataclass(eq=False)
class _Entry:
    pod: Pod
    order: int
    state: _State = _State.READY
    attempts: int = 0
    failed_at: float = 0.0
    moves: int = 0
    """How many changes had been seen when the attempt began."""

    def __lt__(self, other: "_Entry") -> bool:
        return self._rank() < other._rank()

    def _rank(self) -> tuple[int, str, int]:
        return -self.pod.priority, self.pod.metadata.creation_timestamp or "", self.order

    def ready_at(self) -> float:
        return self.failed_at + min(FIRST_BACKOFF * 2.0 ** min(self.attempts - 1, 10), LONGEST_BACKOFF)


class SchedulingQueue:
    """See the module. A pod that was popped stays known until it is `done` or has `failed`."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._ready: list[_Entry] = []
        self._backing_off: list[tuple[float, int, _Entry]] = []
        self._waiting: dict[str, _Entry] = {}
        self._added = 0
        self._moves = 0

    def offer(self, pod: Pod, now: float) -> None:
        """Take in a new or changed pod. A change of its status alone wakes nobody."""
        entry = self._entries.get(pod.uid)
        if entry is None:
            self._added += 1
            entry = self._entries[pod.uid] = _Entry(pod, self._added)
            heapq.heappush(self._ready, entry)
            return
        changed = (pod.spec, pod.labels, pod.annotations) != (entry.pod.spec, entry.pod.labels, entry.pod.annotations)
        entry.pod = pod
        if changed and entry.state is _State.WAITING:
            self._retry(entry, now)

    def forget(self, uid: str) -> None:
        """The pod is gone or has a node."""
        self._waiting.pop(uid, None)
        # Its place in a heap is found empty later.
        self._entries.pop(uid, None)

    def pop(self, now: float) -> Pod | None:
        """The pod whose turn it is; its attempt begins."""
        while self._backing_off and self._backing_off[0][0] <= now:
            entry = heapq.heappop(self._backing_off)[2]
            if self._is_current(entry, _State.BACKING_OFF):
                self._make_ready(entry)
        while self._ready:
            entry = heapq.heappop(self._ready)
            if self._is_current(entry, _State.READY):
                entry.state, entry.moves = _State.IN_ATTEMPT, self._moves
                entry.attempts += 1
                return entry.pod
        return None

    def failed(self, uid: str, now: float, *, retry: bool) -> None:
        """The attempt has failed: again after back-off if `retry`, else once the cluster changes."""
        entry = self._entries.get(uid)
        if entry is None or entry.state is not _State.IN_ATTEMPT:
            return
        entry.failed_at = now
        if retry or entry.moves != self._moves:
            self._retry(entry, now)
        else:
            entry.state = _State.WAITING
            self._waiting[uid] = entry

    def move(self, now: float) -> None:
        """Something has changed in the cluster that may let pods fit."""
        self._moves += 1
        waiting, self._waiting = self._waiting, {}
        for entry in waiting.values():
            self._retry(entry, now)

    def flush(self, now: float) -> None:
        """Let go those that have waited too long for a change."""
        for uid, entry in list(self._waiting.items()):
            if now - entry.failed_at >= LONGEST_WAIT:
                del self._waiting[uid]
                self._retry(entry, now)

    def seconds_to_next(self, now: float) -> float | None:
        """How long until a back-off ends; None while there is none."""
        return max(self._backing_off[0][0] - now, 0.0) if self._backing_off else None

    def _retry(self, entry: _Entry, now: float) -> None:
        self._waiting.pop(entry.pod.uid, None)
        ready_at = entry.ready_at()
        if ready_at <= now:
            self._make_ready(entry)
        else:
            entry.state = _State.BACKING_OFF
            heapq.heappush(self._backing_off, (ready_at, entry.order, entry))

    def _make_ready(self, entry: _Entry) -> None:
        entry.state = _State.READY
        heapq.heappush(self._ready, entry)

    def _is_current(self, entry: _Entry, state: _State) -> bool:
        return self._entries.get(entry.pod.uid) is entry and entry.state is state
