"""What a rule is: a pure function from one request and the facts around it to effects.

An effect is a JSON Patch operation on the raw object (a plain dict), a warning, or a denial. Rules read the typed view
and patch the raw object, so that fields nobody modelled survive.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import wraps
from typing import Any, Final, Generic, cast

import jsonpatch
import msgspec

from model.meta import JSON
from model.resources import ObjectT, Resource
from webhooks.rules.facts import Facts, Need
from webhooks.rules.patch import described, dotted


class Operation(StrEnum):
    """What the client does, spelt as AdmissionReview spells it."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class Phase(StrEnum):
    """In which webhook a rule runs: before the server's own validation, or after it on the final object."""

    MUTATE = "mutate"
    VALIDATE = "validate"


class Kind(StrEnum):
    """What a rule is for; decides which actions it can be given."""

    NORMALIZES = "normalizes"
    REFUSES = "refuses"
    WARNS = "warns"


class Action(StrEnum):
    """What is done about what a rule finds."""

    OFF = "off"
    """Nothing: the rule does not run."""
    ON = "on"
    """What the rule is for."""
    WARN = "warn"
    """A warning: instead of the refusal, or of the change that a normalizing rule would make."""
    REFUSE = "refuse"
    """A refusal instead of the warning."""


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
    """A line shown to the client; the request goes on. `field` is the place, where there is one."""

    message: str
    field: str = ""


Effect = JSON | Warn | Denial


@dataclass(frozen=True)
class Review(Generic[ObjectT]):
    """One request. `subject` is what would be stored, or on DELETE what is to go; `old` is there on UPDATE alone.

    `raw` and `old_raw` are the same objects as they came; patches are computed against `raw`. `user` is who asks, ""
    where nobody does.
    """

    operation: Operation
    subject: ObjectT
    raw: JSON
    old: ObjectT | None = None
    old_raw: JSON | None = None
    user: str = ""

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
    kind: Kind = Kind.NORMALIZES
    default: bool = True
    """On unless switched off; the others are off unless switched on."""
    instead_of: str = ""
    """The rule that this one takes the place of where both are on."""

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        return (self.check.__doc__ or "").partition("\n")[0]

    @property
    def actions(self) -> frozenset[Action]:
        """What it can be set to."""
        return ACTIONS[self.kind]

    def acting(self, action: Action) -> "Rule":
        """The rule with what it finds turned into what the action says."""
        match action, self.kind:
            case Action.WARN, Kind.NORMALIZES | Kind.REFUSES:
                return replace(self, check=_turned(self.check, _as_warning))
            case Action.REFUSE, Kind.WARNS:
                return replace(self, check=_turned(self.check, _as_denial))
            case _:
                return self


ACTIONS: Final[Mapping[Kind, frozenset[Action]]] = {
    Kind.NORMALIZES: frozenset({Action.OFF, Action.ON, Action.WARN}),
    Kind.REFUSES: frozenset(Action),
    Kind.WARNS: frozenset(Action),
}


def _turned(check: Check, turn: Callable[[Effect], Effect]) -> Check:
    @wraps(check)
    def turned(review: Review[Any], facts: Facts) -> Iterator[Effect]:
        return map(turn, check(review, facts))

    return turned


def _as_warning(effect: Effect) -> Effect:
    match effect:
        case Denial(message, field):
            return Warn(message, field)
        case Warn():
            return effect
        case _:
            return Warn(f"not normalized: would {described(effect)}", dotted(effect["path"]))


def _as_denial(effect: Effect) -> Effect:
    return Denial(effect.message, effect.field) if isinstance(effect, Warn) else effect


def refusing(check: Check) -> Check:
    """The same check with refusals in place of its warnings."""
    return _turned(check, _as_denial)
