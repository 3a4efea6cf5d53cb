"""Label, field and node selectors: parsed once, asked often.

Text forms (`kubectl -l`, `fieldSelector`) and object forms (LabelSelector, NodeSelector) become tuples of
requirements that all must hold. Rules: "Labels and Selectors", "Field Selectors" and `NodeSelectorTerm` of the
Kubernetes API reference.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

Labels = Mapping[str, str]


class SelectorError(ValueError):
    """The selector can not be read; the message says where."""


class Requirement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One expression: key, operator (In, NotIn, Exists, DoesNotExist, Gt, Lt) and its values."""

    key: str
    operator: str
    values: tuple[str, ...] | None = None

    def holds(self, labels: Labels) -> bool:
        """Whether the labels satisfy this. NotIn and DoesNotExist hold where the key is absent."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in (self.values or ())
            case "NotIn":
                return value is None or value not in (self.values or ())
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
            case _:
                return False

    @property
    def readable(self) -> bool:
        """Whether key and values could be a label's. A scheduler can not evaluate others, not even as unequal."""
        return _LABEL_KEY.fullmatch(self.key) is not None and all(_is_label_value(each) for each in self.values or ())

    def _compares(self, value: str | None) -> bool:
        wanted = self.values or ()
        if value is None or len(wanted) != 1:
            return False
        have, bound = _integer(value), _integer(wanted[0])
        if have is None or bound is None:
            return False
        return have > bound if self.operator == "Gt" else have < bound


class LabelSelector(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The API's LabelSelector: everything given must hold; an empty one holds for all."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = None

    def matches(self, labels: Labels) -> bool:
        """Whether the labels satisfy every part."""
        exact = all(labels.get(key) == value for key, value in (self.match_labels or {}).items())
        return exact and all(requirement.holds(labels) for requirement in self.match_expressions or ())


class NodeSelectorTerm(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One alternative of a NodeSelector."""

    match_expressions: tuple[Requirement, ...] | None = None
    match_fields: tuple[Requirement, ...] | None = None

    def matches_labels(self, labels: Labels) -> bool:
        """Evaluate against labels alone, as the volume filters do: fields are not looked at.

        A term with neither expressions nor fields matches nothing, one of fields alone matches every node.
        """
        if not self.match_expressions and not self.match_fields:
            return False
        return all(requirement.holds(labels) for requirement in self.match_expressions or ())


class NodeSelector(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Terms are alternatives; none matches nothing."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] | None = None

    def matches_labels(self, labels: Labels) -> bool:
        """Whether one term accepts a node with these labels."""
        return any(term.matches_labels(labels) for term in self.node_selector_terms or ())


class FieldRequirement(msgspec.Struct, frozen=True, gc=False):
    """`path=value` or `path!=value` of a field selector."""

    path: str
    value: str
    negated: bool = False

    def holds(self, value: str) -> bool:
        """Whether a field with this value (absent fields are "") satisfies the requirement."""
        return (value == self.value) is not self.negated


_TOKEN: Final = re.compile(
    r"\s*(?:(?P<negation>!)\s*(?P<absent>[^\s,=!()<>]+)"
    r"|(?P<key>[^\s,=!()<>]+)\s*(?:(?P<set>\b(?:in|notin)\b)\s*\((?P<members>[^()]*)\)"
    r"|(?P<operator>==|=|!=|>|<)\s*(?P<value>[^\s,=!()<>]*))?)\s*(?:,|$)",
)
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY: Final = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
)
_OPERATORS: Final = {"=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt", "in": "In", "notin": "NotIn"}


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """`a=b,c in (d,e),!f,g` as requirements; empty text holds for all.

    Raises:
        SelectorError: not a label selector.
    """
    position, requirements = 0, []
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise SelectorError(f"unable to parse label selector {text!r} at {text[position:]!r}")
        requirements.append(_requirement(match))
        position = match.end()
    if text.rstrip().endswith(","):
        raise SelectorError(f"unable to parse label selector {text!r}: nothing follows the last comma")
    return tuple(requirements)


def parse_fields(text: str) -> tuple[FieldRequirement, ...]:
    r"""`metadata.name=x,status.phase!=Failed` as requirements; `\,`, `\=` and `\\` escape.

    Raises:
        SelectorError: a part has no operator.
    """
    return tuple(_field(part) for part in re.split(r"(?<!\\),", text) if part)


def matches_all(requirements: Sequence[Requirement], labels: Labels) -> bool:
    """Whether the labels satisfy every requirement."""
    return all(requirement.holds(labels) for requirement in requirements)


@lru_cache(maxsize=4096)
def _is_label_value(text: str) -> bool:
    return _LABEL_VALUE.fullmatch(text) is not None


def _requirement(match: re.Match[str]) -> Requirement:
    key = match["absent"] or match["key"]
    if _LABEL_KEY.fullmatch(key) is None:
        raise SelectorError(f"invalid label key {key!r} in a label selector")
    if match["absent"]:
        return Requirement(key, "DoesNotExist")
    operator = match["set"] or match["operator"]
    if operator is None:
        return Requirement(key, "Exists")
    values = tuple(part.strip() for part in match["members"].split(",")) if match["set"] else (match["value"],)
    for value in values:
        if _LABEL_VALUE.fullmatch(value) is None:
            raise SelectorError(f"invalid label value {value!r} for key {key!r} in a label selector")
        if operator in "<>" and _integer(value) is None:
            raise SelectorError(f"{key!r}: for > and < the value must be an integer, not {value!r}")
    return Requirement(key, _OPERATORS[operator], values)


def _field(part: str) -> FieldRequirement:
    match = re.match(r"((?:\\.|[^\\=!])*)(==|=|!=)(.*)", part, re.DOTALL)
    if match is None:
        raise SelectorError(f"invalid field selector {part!r}: expected field=value or field!=value")
    return FieldRequirement(match[1], re.sub(r"\\(.)", r"\1", match[3]), negated=match[2] == "!=")


def _integer(text: str) -> int | None:
    """A 64-bit integer as Go's strconv.ParseInt reads it, or None."""
    if re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII) is None:
        return None
    value = int(text) if len(text) < 32 else 2**64
    return value if -(2**63) <= value < 2**63 else None
