"""Between the version an object is asked for in and the one it is kept in.

Only Events have two forms: events.k8s.io/v1 names differently what core/v1 has. Versions of a custom kind (strategy
None) differ in apiVersion alone. Source: the Event types in the API reference.
"""

from typing import Any

from sandbox.kinds import Kind
from sandbox.schema import decode_as

JSON = dict[str, Any]

_RENAMED = {
    # events.k8s.io/v1: core/v1
    "regarding": "involvedObject",
    "note": "message",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
    "reportingController": "reportingComponent",
}
_EVENTS = "events.k8s.io/v1"


def to_stored(kind: Kind, obj: JSON) -> JSON:
    """An object in its kind's version as the store keeps it."""
    if kind.api_version == kind.stored_version:
        return obj
    if kind.api_version == _EVENTS:
        obj = {_RENAMED.get(key, key): value for key, value in obj.items()}
    return _shaped(kind.stored_version, kind, obj)


def from_stored(kind: Kind, obj: JSON) -> JSON:
    """An object of the store in the kind's version."""
    if kind.api_version == obj.get("apiVersion"):
        return obj
    if kind.api_version == _EVENTS:
        names = {ours: theirs for theirs, ours in _RENAMED.items()}
        obj = {names.get(key, key): value for key, value in obj.items()}
    return _shaped(kind.api_version, kind, obj)


def _shaped(api_version: str, kind: Kind, obj: JSON) -> JSON:
    """The object under that version, with the zero values that its Go type shows and without those it hides."""
    converted = obj | {"apiVersion": api_version}
    return converted if kind.custom else decode_as(api_version, kind.kind, converted).value
