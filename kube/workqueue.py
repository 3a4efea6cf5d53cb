"""Keys waiting for a worker: each at most once, never with two workers at a time, backed off when it fails.

The rules are those of client-go's work queue: what is added while it is being worked on comes back after `done`.
"""

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Final

from kube.backoff import doubled
from kube.metrics import Metrics
from kube.rate import TokenBucket

BASE_SECONDS: Final = 0.005
MAX_SECONDS: Final = 1000.0
RATE: Final = 10.0
BURST: Final = 100


class QueueClosed(Exception):  # noqa: N818 - named by what happened
    """The queue was closed and holds nothing more."""


class WorkQueue:
    """A queue of keys for the workers of one loop."""

    def __init__(
        self,
        name: str,
        *,
        base_seconds: float = BASE_SECONDS,
        max_seconds: float = MAX_SECONDS,
        rate: float = RATE,
        burst: int = BURST,
        lane: Callable[[str], str] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Retries back off from `base_seconds`, doubling to `max_seconds`; all retries share `rate` a second.

        Keys are got in the order in which they became ready; with `lane`, which tells the lane of a key, the lanes
        take turns, so that a long one does not hold up the others. `name` is the label of the queue's metrics.
        """
        self._base_seconds = base_seconds
        self._max_seconds = max_seconds
        self._bucket = TokenBucket(rate, burst)
        self._failures: dict[str, int] = {}
        self._ready = _Lanes(lane or (lambda _: ""))
        self._dirty: dict[str, float] = {}
        """Keys that want work, and since when; those of them not being worked on are in `_ready`."""
        self._working: dict[str, float] = {}
        self._delayed: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        """Also holds times that `_delayed` has replaced; they are passed over."""
        self._timer: asyncio.TimerHandle | None = None
        self._getters: deque[asyncio.Future[None]] = deque()
        self._closed = False
        queues = (metrics or Metrics()).queues
        queues.depth.labels(name).set_function(lambda: len(self._ready))
        self._adds, self._retries = queues.adds.labels(name), queues.retries.labels(name)
        self._wait_seconds, self._work_seconds = queues.wait_seconds.labels(name), queues.work_seconds.labels(name)

    def __len__(self) -> int:
        """How many keys are ready for a worker."""
        return len(self._ready)

    def add(self, key: str) -> None:
        """Queue the key now."""
        if self._closed or key in self._dirty:
            return
        self._adds.inc()
        self._dirty[key] = _now()
        if key not in self._working:
            self._make_ready(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Queue the key then; of several times for a key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        when = _now() + seconds
        if self._closed or self._delayed.get(key, when + 1.0) <= when:
            return
        self._delayed[key] = when
        heapq.heappush(self._heap, (when, key))
        self._set_timer()

    def retry(self, key: str) -> float:
        """Queue the key after its back-off, and not before the common rate allows; returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._retries.inc()
        delay = max(doubled(self._base_seconds, failures, self._max_seconds), self._bucket.reserve(_now()))
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """The key succeeded: its back-off starts anew."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """How often it was retried since it was forgotten."""
        return self._failures.get(key, 0)

    def failing(self) -> Sequence[str]:
        """The keys that were retried and not forgotten since: a snapshot."""
        return list(self._failures)

    async def get(self) -> str:
        """The next key; `done` must follow.

        Raises:
            QueueClosed: closed, and nothing is left.
        """
        while not self._ready:
            if self._closed:
                raise QueueClosed
            await self._wait()
        key = self._ready.popleft()
        now = _now()
        self._wait_seconds.observe(now - self._dirty.pop(key))
        self._working[key] = now
        return key

    def done(self, key: str) -> None:
        """The work on the key has ended, well or not."""
        self._work_seconds.observe(_now() - self._working.pop(key))
        if key in self._dirty:
            self._make_ready(key)

    def close(self) -> None:
        """Take no more keys; what is ready may still be got, what is delayed is dropped."""
        self._closed = True
        self._delayed.clear()
        self._heap.clear()
        if self._timer:
            self._timer.cancel()
        while self._getters:
            self._wake()

    async def _wait(self) -> None:
        getter = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter in self._getters:
                self._getters.remove(getter)
            else:
                self._wake()  # woken for a key that we shall not take: somebody else must
            raise

    def _make_ready(self, key: str) -> None:
        self._ready.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():  # one that is cancelled takes no key
                getter.set_result(None)
                return

    def _set_timer(self) -> None:
        if self._timer and self._timer.when() <= self._heap[0][0]:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._heap[0][0], self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = _now()
        while self._heap and self._heap[0][0] <= now:
            when, key = heapq.heappop(self._heap)
            if self._delayed.get(key) == when:
                del self._delayed[key]
                self.add(key)
        if self._heap:
            self._set_timer()


class _Lanes:
    """Keys in order, one line for each lane; the lanes take turns."""

    def __init__(self, lane: Callable[[str], str]) -> None:
        self._lane = lane
        self._lines: OrderedDict[str, deque[str]] = OrderedDict()
        """Never empty ones; the first is next."""
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, key: str) -> None:
        self._lines.setdefault(self._lane(key), deque()).append(key)
        self._length += 1

    def popleft(self) -> str:
        lane, line = self._lines.popitem(last=False)
        key = line.popleft()
        if line:
            self._lines[lane] = line  # behind the others
        self._length -= 1
        return key


def _now() -> float:
    return asyncio.get_running_loop().time()
