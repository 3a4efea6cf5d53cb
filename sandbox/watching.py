"""Watches: what a watcher sees first, and then each change as its selectors see it.

Rules: "Efficient detection of changes" and "Streaming lists" in the API concepts.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from model.meta import JSON
from sandbox.conversion import from_stored
from sandbox.errors import ApiError, FieldError, expired, invalid, too_large_version
from sandbox.history import Change, ChangeType, Record
from sandbox.kinds import Kind
from sandbox.listing import read_version
from sandbox.selection import Selection
from sandbox.store import ExpiredError, Store, Watch

BOOKMARK_SECONDS: Final = 30.0
"""How often a quiet watch that asked for bookmarks is told the version."""
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True)
class WatchRequest:
    """The parameters of a watch, as sent. `seconds` is how long it lasts at most."""

    selection: Selection
    version: str = ""
    match: str = ""
    bookmarks: bool = False
    initial_events: bool | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event. `line` is its JSON with a newline."""

    type: str
    value: JSON
    line: bytes


@dataclass(frozen=True)
class _WatchOptions:
    group: str = "meta.k8s.io"
    plural: str = ""
    kind: str = "ListOptions"


async def watch(
    store: Store, kind: Kind, request: WatchRequest, now: Callable[[], float]
) -> AsyncGenerator[list[WatchEvent], None]:
    """Batches of events, until the time is over, the version is gone, or the watcher is too slow. `now` is monotonic.

    Raises:
        ApiError: parameters that do not go together; only at the first step, before anything was sent.
    """
    _check(request)
    since = read_version(request.version)
    if since > store.version:
        raise too_large_version(since, store.version)
    try:
        subscription = store.watch(kind.stored_resource, since or None)
    except ExpiredError as error:
        yield [_error(expired(f"too old resource version: {since} ({error.oldest})"))]
        return
    try:
        yield _initial(store, kind, request, since)
        async for batch in _live(store, kind, request, subscription, now):
            yield batch
    finally:
        store.unwatch(kind.stored_resource, subscription)


async def _live(
    store: Store, kind: Kind, request: WatchRequest, subscription: Watch, now: Callable[[], float]
) -> AsyncGenerator[list[WatchEvent], None]:
    end = None if request.seconds is None else now() + request.seconds
    told = store.version
    while end is None or now() < end:
        wait = BOOKMARK_SECONDS if end is None else min(BOOKMARK_SECONDS, max(end - now(), 0.0))
        changes = await subscription.changes(wait)
        if changes is None:
            return
        events = list(_seen(kind, request.selection, changes))
        if not changes and request.bookmarks and store.version > told:
            # A quiet watcher learns how far the server is, so that it can resume from there.
            events.append(_bookmark(kind, store.version))
            told = store.version
        if events:
            yield events


def _initial(store: Store, kind: Kind, request: WatchRequest, since: int) -> list[WatchEvent]:
    """What is there already, where the watcher wants that; it is asked for at the moment of the subscription."""
    wanted = request.initial_events if request.initial_events is not None else since == 0
    if not wanted:
        return []
    records = store.records(kind.stored_resource, request.selection.namespace)
    events = [_added(kind, record) for record in records if request.selection.accepts(record)]
    if request.initial_events and request.bookmarks:
        events.append(_bookmark(kind, store.version, {"annotations": {INITIAL_EVENTS_END: "true"}}))
    return events


def _seen(kind: Kind, selection: Selection, changes: Sequence[Change]) -> Iterator[WatchEvent]:
    """Each change as these selectors see it: objects come into view and go out of it."""
    for change in changes:
        record, previous = change.record, change.previous
        is_in = change.type is not ChangeType.DELETED and selection.accepts(record)
        was_in = previous is not None and selection.accepts(previous)
        if is_in:
            yield _event(kind, change, ChangeType.MODIFIED if was_in else ChangeType.ADDED, record.value)
        elif was_in and previous is not None:
            yield _event(kind, change, ChangeType.DELETED, _last_state(change, previous))


def _last_state(change: Change, previous: Record) -> JSON:
    """What was there, under the version of the change that took it out of view."""
    if change.type is ChangeType.DELETED:
        return change.record.value
    metadata = {**previous.value["metadata"], "resourceVersion": str(change.version)}
    return {**previous.value, "metadata": metadata}


def _event(kind: Kind, change: Change, type_: ChangeType, value: JSON) -> WatchEvent:
    shown = from_stored(kind, value)
    line = change.lines.get((kind.api_version, type_))
    if line is None:
        same = shown is change.record.value
        encoded = change.record.encoded if same else orjson.dumps(shown)
        line = change.lines[kind.api_version, type_] = _line(type_, encoded)
    return WatchEvent(type_, shown, line)


def _added(kind: Kind, record: Record) -> WatchEvent:
    shown = from_stored(kind, record.value)
    encoded = record.encoded if shown is record.value else orjson.dumps(shown)
    return WatchEvent("ADDED", shown, _line("ADDED", encoded))


def _bookmark(kind: Kind, version: int, metadata: JSON | None = None) -> WatchEvent:
    value: JSON = {"kind": kind.kind, "apiVersion": kind.api_version}
    value["metadata"] = {"resourceVersion": str(version), "creationTimestamp": None, **(metadata or {})}
    return WatchEvent("BOOKMARK", value, _line("BOOKMARK", orjson.dumps(value)))


def _error(error: ApiError) -> WatchEvent:
    status = error.status()
    return WatchEvent("ERROR", status, _line("ERROR", orjson.dumps(status)))


def _line(type_: str, encoded: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (type_.encode(), encoded)


def _check(request: WatchRequest) -> None:
    path = "resourceVersionMatch"
    errors: list[FieldError] = []
    if request.initial_events is not None and request.match != "NotOlderThan":
        detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        errors.append(FieldError.forbidden(path, detail))
    elif request.match and request.initial_events is None:
        errors.append(FieldError.forbidden(path, f"{path} is forbidden for watch unless sendInitialEvents is provided"))
    if errors:
        raise invalid(_WatchOptions(), "", errors)
