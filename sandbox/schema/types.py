"""What a value may look like: one tree of `Schema` for built-in kinds and custom ones alike.

A schema may contain itself (JSONSchemaProps does), so trees are compared by identity and walked along a value, never by
themselves. Source of the list and map kinds: "Merge strategy" in the documentation of server-side apply.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Form(Enum):
    """How a value is written in JSON."""

    # Readers are looked up by form for every value of every write, and the hash of an Enum is slow.
    __hash__ = object.__hash__

    STRUCT = auto()
    """An object of named fields."""
    MAP = auto()
    """An object of any keys, all of one kind of value."""
    LIST = auto()
    STRING = auto()
    BYTES = auto()
    """Base64 text."""
    INTEGER = auto()
    NUMBER = auto()
    BOOLEAN = auto()
    QUANTITY = auto()
    TIME = auto()
    """RFC 3339, whole seconds."""
    MICRO_TIME = auto()
    """RFC 3339 with six digits of a second."""
    DURATION = auto()
    """As Go prints it: `1h0m0s`."""
    INT_OR_STRING = auto()
    VARIANT = auto()
    """A struct, a list of them, or something else: what a JSON schema has for `items` and `additionalProperties`."""
    ANY = auto()
    """Whatever JSON it is, it is kept as it is."""


class ListType(Enum):
    """Who owns what of a list: the whole, each value, or each item by its keys."""

    ATOMIC = "atomic"
    SET = "set"
    MAP = "map"


class Absent(Enum):
    """What the server shows of a struct's field that was not set, or set to its zero value."""

    KEEP = auto()
    """Set is set: a Go pointer. Unset is left out."""
    OMIT = auto()
    """Unset and zero are left out."""
    FILL = auto()
    """Unset is shown as zero: "", 0, false, {} or null."""


class _Missing(Enum):
    MISSING = auto()


MISSING = _Missing.MISSING
"""No default: told apart from a default of null."""


@dataclass(eq=False, slots=True)
class Schema:
    """One node. Which attributes mean something depends on `form`."""

    form: Form
    name: str = ""
    """Of a struct: its definition, `io.k8s.api.core.v1.Pod`; "" in custom kinds."""
    go_type: str = ""
    """What a decoding error calls it: `[]v1.Container`."""
    fields: dict[str, "Field"] = field(default_factory=dict)
    """Of a struct."""
    element: "Schema | None" = None
    """Of a map or a list: what it holds. None: anything."""
    variant: "Schema | None" = None
    """Of a variant: the struct."""
    list_type: ListType = ListType.ATOMIC
    keys: tuple[str, ...] = ()
    """Of a list that is a map: the fields that tell its items apart."""
    atomic: bool = False
    """Of a struct or a map: owned as a whole."""
    bits: int = 64
    """Of an integer."""
    preserve: bool = False
    """Of a custom kind's struct: unknown fields are kept."""
    embedded: bool = False
    """Of a custom kind's struct: a whole object with apiVersion, kind and metadata."""
    rules: dict[str, Any] = field(default_factory=dict)
    """Of custom kinds: the OpenAPI node with its bounds, patterns and enumerations."""
    _filled: "tuple[tuple[str, Field], ...] | None" = None

    @property
    def filled(self) -> "tuple[tuple[str, Field], ...]":
        """The fields that are shown even though nobody set them."""
        if self._filled is None:
            self._filled = tuple((key, each) for key, each in self.fields.items() if each.absent is Absent.FILL)
        return self._filled


@dataclass(eq=False, slots=True)
class Field:
    """A struct's field: its schema, and what belongs to the place rather than to the type."""

    schema: Schema
    absent: Absent = Absent.KEEP
    pointer: bool = True
    merge_key: str = ""
    """Of a list: what tells items apart in a strategic merge patch."""
    strategies: frozenset[str] = frozenset()
    """In a strategic merge patch: `merge`, `replace`, `retainKeys`."""
    default: Any = MISSING
