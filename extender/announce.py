"""One clear event on a pod that no node suits, told again only when there is something new or after a while."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from kube.events import EventRecorder
from model.resources import PODS
from model.workloads import Pod

REASON: Final = "FailedPlacement"
AGAIN_SECONDS: Final = 300.0
"""Until the same is told again."""
NEWS_SECONDS: Final = 30.0
"""Until something else is told of the same pod: a cluster in motion has a new reason every second."""
_REMEMBERED: Final = 5000


@dataclass(frozen=True)
class _Told:
    uid: str
    sentence: str
    at: float


class Announcer:
    """Tells through the recorder what is worth telling."""

    def __init__(self, recorder: EventRecorder | None) -> None:
        self._recorder = recorder
        self._last: OrderedDict[str, _Told] = OrderedDict()

    def no_node_suits(self, pod: Pod, sentence: str, now: float) -> bool:
        """Tell it, unless it was told; whether it was. `now` is monotonic seconds."""
        last = self._last.get(pod.key)
        if last is not None and last.uid == pod.uid:
            silence = AGAIN_SECONDS if last.sentence == sentence else NEWS_SECONDS
            if now < last.at + silence:
                return False
        self._last[pod.key] = _Told(pod.uid, sentence, now)
        self._last.move_to_end(pod.key)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        if self._recorder is not None:
            self._recorder.event(pod, PODS, "Warning", REASON, sentence)
        return True
