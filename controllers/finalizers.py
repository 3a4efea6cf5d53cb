"""Putting a finalizer on an object and taking it off, so that those of others stay.

The list is written whole, and the writer guards it by the version that it was read from: whoever changed it in between
wins, and we decide anew.
"""

from model.meta import JSON, Object


def holds(obj: Object, finalizer: str) -> bool:
    """Whether the object is held by it."""
    return finalizer in (obj.metadata.finalizers or ())


def wants(obj: Object, finalizer: str) -> bool:
    """Whether it is to be put on: it lacks, and the object is to stay (one that is going accepts none)."""
    return not obj.deleting and not holds(obj, finalizer)


def holds_up(obj: Object, finalizer: str) -> bool:
    """Whether the object is going and this finalizer is among what it waits for."""
    return obj.deleting and holds(obj, finalizer)


def put_on(obj: Object, finalizer: str) -> JSON:
    """The change that adds it, behind those of others."""
    return {"metadata": {"finalizers": [*(obj.metadata.finalizers or ()), finalizer]}}


def take_off(obj: Object, finalizer: str) -> JSON:
    """The change that removes it, and only it."""
    return {"metadata": {"finalizers": [each for each in obj.metadata.finalizers or () if each != finalizer]}}
