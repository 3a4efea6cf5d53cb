"""What a case is: a resource, a good object of it, and what is changed in it.

Changes name fields by their path; None takes a field away.
"""

import copy
import zlib
from dataclasses import dataclass
from typing import Any

from tests.contract.cases.good import GOOD, JSON


@dataclass(frozen=True)
class Case:
    """One write. `before` is what is created first for an update, None for a create."""

    good: str
    changes: JSON
    update: bool = False
    status: JSON | None = None
    """What the status is made before the update."""

    @property
    def resource(self) -> str:
        """Of the object."""
        return GOOD[self.good][0]

    @property
    def id(self) -> str:
        """As the test and the record are called."""
        what = ", ".join(f"{path}={_short(value)}" for path, value in self.changes.items()) or "as it is"
        where = f"{self.good} to" if self.update else self.good
        return f"{where} {what}" + (" when bound" if self.status else "")

    def object(self, name: str) -> JSON:
        """The good object under a name."""
        obj = copy.deepcopy(GOOD[self.good][1])
        obj["metadata"] = {"name": name, **obj.get("metadata", {})}
        return obj


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]} and so on ({zlib.crc32(text.encode()):x})"


def changed(obj: JSON, changes: JSON) -> JSON:
    """A copy with fields replaced, added, or taken away."""
    obj = copy.deepcopy(obj)
    for path, value in changes.items():
        *parents, last = path.split("/")
        place: Any = obj
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if isinstance(place, list):
            place[int(last) :] = [] if value is None else [value]
        elif value is None:
            place.pop(last, None)
        else:
            place[last] = copy.deepcopy(value)
    return obj


def each(good: str, *changes: JSON) -> list[Case]:
    return [Case(good, change) for change in changes]


def updates(good: str, *changes: JSON, status: JSON | None = None) -> list[Case]:
    return [Case(good, change, update=True, status=status) for change in changes]
