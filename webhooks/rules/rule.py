"""What a rule is: a pure function from one request and the facts around it to effects.

An effect is a JSON Patch operation on the raw object (a plain dict), a warning, or a denial. Rules read the typed view
and patch the raw object, so that fields nobody modelled survive.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, cast

import jsonpatch
import msgspec

from model.meta import JSON
from model.resources import ObjectT, Resource
from webhooks.rules.facts import Facts, Need


class Operation(StrEnum):
    """What the client does, spelt as AdmissionReview spells it."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Phase(StrEnum):
    """In which webhook a rule runs: before the server's own validation, or after it on the final object."""

    MUTATE = "mutate"
    VALIDATE = "validate"


class Reason(StrEnum):
    """Why a request is denied; decides the status code."""

    FORBIDDEN = "Forbidden"
    """Policy, or a conflict with another object: 403."""
    INVALID = "Invalid"
    """The object is wrong in itself: 422, with the field as cause."""


@dataclass(frozen=True)
class Denial:
    """A refusal. `message` names the value and the fix, `field` the place."""

    message: str
    field: str
    reason: Reason = Reason.FORBIDDEN


@dataclass(frozen=True)
class Warn:
    """A line shown to the client; the request goes on."""

    message: str


Effect = JSON | Warn | Denial


@dataclass(frozen=True)
class Review(Generic[ObjectT]):
    """One request. `subject` is what would be stored, or on DELETE what is to go; `old` is there on UPDATE alone.

    `raw` and `old_raw` are the same objects as they came; patches are computed against `raw`.
    """

    operation: Operation
    subject: ObjectT
    raw: JSON
    old: ObjectT | None = None
    old_raw: JSON | None = None

    @property
    def terminating(self) -> bool:
        """Whether the object is being deleted: then no rule may stand in its way."""
        return self.subject.deleting or (self.old is not None and self.old.deleting)

    def sets(self, field: Callable[[ObjectT], object]) -> bool:
        """Whether this request gives the field its value: a new object always, an update when the value differs."""
        return self.old is None or field(self.subject) != field(self.old)

    def patched(self, operations: Sequence[JSON]) -> "Review[ObjectT]":
        """The same request with the operations applied to its object."""
        raw = cast("JSON", jsonpatch.JsonPatch(cast("Any", operations)).apply(self.raw))
        return replace(self, raw=raw, subject=msgspec.convert(raw, type(self.subject)))


Check = Callable[[Review[Any], Facts], Iterable[Effect]]
Needs = Callable[[Review[Any], Facts], Iterable[Need]]


def no_needs(_review: Review[Any], _facts: Facts) -> Iterable[Need]:
    """What a rule without live look-ups needs."""
    return ()


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    name: str
    """Stable: switches, metrics, audit annotations and case files use it."""
    resource: Resource[Any]
    phases: frozenset[Phase]
    operations: frozenset[Operation]
    check: Check
    needs: Needs = no_needs
    """What must be read from the server itself before `check` may conclude from something's absence."""
    default: bool = True
    """On unless switched off; the others are off unless switched on."""
