"""Events about objects, as `kubectl describe` shows them: aggregated, limited, written in the background."""

from __future__ import annotations

from typing import Any, Literal, NoReturn

from kube.client import Client
from model.meta import Object
from model.resources import Resource

EventType = Literal["Normal", "Warning"]


class EventRecorder:
    """Takes events at once and writes them as it can; what does not fit is dropped and counted."""

    def __init__(self, client: Client, component: str, *, instance: str = "", queue_size: int = 1000) -> None:
        raise NotImplementedError

    def event(self, about: Object, kind: Resource[Any], type: EventType, reason: str, message: str) -> None:
        """Say something about an object. Never blocks, never fails."""
        raise NotImplementedError

    async def run(self) -> NoReturn:
        """Write for ever."""
        raise NotImplementedError
