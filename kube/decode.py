"""From the API's bytes to typed views, one object at a time: one that can not be read does not lose the others.

Source: "Efficient detection of changes" and "Receiving collections" in "Kubernetes API Concepts".
"""

import sys
from dataclasses import dataclass
from typing import Final, Generic

import msgspec
import structlog

from kube.errors import BadAnswer, Status, from_status
from kube.metrics import RequestMetrics
from model.meta import Object
from model.resources import ObjectT, Resource

log = structlog.get_logger()

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"
"""The annotation of the bookmark that ends the initial events of a streamed list."""


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_token: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMetadata
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Page(Generic[ObjectT]):
    """A page of a list, or all of one. `unreadable` holds what could be read of objects that could not."""

    items: list[ObjectT]
    unreadable: list[Object]
    version: str
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class Shown(Generic[ObjectT]):
    """An object was added or changed."""

    object: ObjectT


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object is gone; of its last state only what all objects have."""

    object: Object


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Nothing happened up to this version. `complete` ends the initial events of a streamed list."""

    version: str
    complete: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An object was added or changed and can not be read; of it only what all objects have."""

    object: Object


WatchEvent = Shown[ObjectT] | Deleted | Bookmark | Unreadable


class Decoder(Generic[ObjectT]):
    """Reads what the API serves of one resource."""

    def __init__(self, resource: Resource[ObjectT], metrics: RequestMetrics) -> None:
        self._resource = resource
        self._view = msgspec.json.Decoder(resource.view)
        self._count = metrics.unreadable.labels(resource.plural)

    def object(self, body: bytes) -> ObjectT:
        """One object. Raises BadAnswer."""
        try:
            return self._view.decode(body)
        except _FAULTS as error:
            raise BadAnswer(f"{self._resource.plural}: an object that can not be read: {error}") from error

    def page(self, body: bytes) -> Page[ObjectT]:
        """A page of a list. Raises BadAnswer if it is none."""
        try:
            listed = _LIST.decode(body)
        except _FAULTS as error:
            raise BadAnswer(f"{self._resource.plural}: a list that can not be read: {error}") from error
        page: Page[ObjectT] = Page([], [], listed.metadata.resource_version, listed.metadata.continue_token)
        for raw in listed.items or ():
            read = self._shown(raw)
            if isinstance(read, Shown):
                page.items.append(read.object)
            else:
                page.unreadable.append(read.object)
        return page

    def event(self, line: bytes) -> WatchEvent[ObjectT]:
        """One line of a watch. Raises ApiError for an ERROR event, BadAnswer for what is no event."""
        try:
            event = _EVENT.decode(line)
            match event.type:
                case "ADDED" | "MODIFIED":
                    return self._shown(event.object)
                case "DELETED":
                    return Deleted(_OBJECT.decode(event.object))
                case "BOOKMARK":
                    mark = _OBJECT.decode(event.object)
                    complete = mark.annotations.get(INITIAL_EVENTS_END) == "true"
                    return Bookmark(mark.metadata.resource_version, complete)
                case "ERROR":
                    raise from_status(_STATUS.decode(event.object), code=500)
        except _FAULTS as error:
            raise BadAnswer(f"{self._resource.plural}: a watch event that can not be read: {error}") from error
        raise BadAnswer(f"{self._resource.plural}: a watch event of type {event.type[:40]!r}")

    def _shown(self, raw: msgspec.Raw) -> Shown[ObjectT] | Unreadable:
        try:
            return Shown(_interned(self._view.decode(raw)))
        except _FAULTS as error:
            self._count.inc()
            rest = _metadata(raw)
            log.warning("object left aside", resource=self._resource.plural, key=rest.key, error=str(error))
            return Unreadable(rest)


_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LIST: Final = msgspec.json.Decoder(_List)
_EVENT: Final = msgspec.json.Decoder(_Event)
_OBJECT: Final = msgspec.json.Decoder(Object)
_STATUS: Final = msgspec.json.Decoder(Status)


def _metadata(raw: msgspec.Raw) -> Object:
    try:
        return _OBJECT.decode(raw)
    except _FAULTS:
        return Object()


def _interned(obj: ObjectT) -> ObjectT:
    """Label values repeat from object to object; one copy of each is enough."""
    labels = obj.metadata.labels
    if labels:
        for key, value in labels.items():
            labels[key] = sys.intern(value)
    return obj
