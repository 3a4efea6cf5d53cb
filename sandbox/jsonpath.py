"""The part of kubectl's JSONPath that CustomResourceDefinitions use: columns and the paths of replicas.

`.spec.size`, `.spec['size']`, `.items[0]`, `.items[*].name`, `.conditions[?(@.type=="Ready")].status`. Source:
"JSONPath Support" in the kubectl reference, and the rule that a CRD's path be simple.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

_STEP = re.compile(
    r"""\.(?P<name>(?:[^.\[\\]|\\.)+)
      | \[(?P<index>-?\d+)\]
      | \[(?P<all>\*)\]
      | \['(?P<quoted>[^']*)'\]
      | \["(?P<double>[^"]*)"\]
      | \[\?\(@\.(?P<key>[\w.-]+)\s*(?P<operator>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.-]+)\)\]""",
    re.VERBOSE,
)


class JsonPathError(ValueError):
    """The text is no path of this kind."""


class _Filter(NamedTuple):
    key: tuple[str, ...]
    equal: bool
    value: str


Step = str | int | _Filter | None
"""A member, an index, a filter of items; None for all items."""


@lru_cache(maxsize=1024)
def parse(text: str) -> tuple[Step, ...]:
    """The steps of a path.

    Raises:
        JsonPathError: naming where it stops to be one.
    """
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise JsonPathError(f"{text[position:]!r} is no part of a simple JSON path")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return int(match["index"])
    if match["all"]:
        return None
    if match["key"]:
        value = match["value"].strip("\"'")
        return _Filter(tuple(match["key"].split(".")), match["operator"] == "==", value)
    if match["name"] is not None:
        return re.sub(r"\\(.)", r"\1", match["name"])
    return match["quoted"] if match["quoted"] is not None else match["double"]


def find(text: str, value: Any) -> list[Any]:
    """Everything the path leads to; what is missing on the way is left out."""
    found = [value]
    for step in parse(text):
        found = [item for each in found for item in _follow(step, each)]
    return found


def _follow(step: Step, value: Any) -> Iterator[Any]:
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield value[step]
    elif isinstance(step, int):
        if isinstance(value, list) and -len(value) <= step < len(value):
            yield value[step]
    elif isinstance(value, list):
        yield from (item for item in value if step is None or _matches(step, item))


def _matches(condition: _Filter, item: Any) -> bool:
    for key in condition.key:
        if not isinstance(item, dict) or key not in item:
            return False
        item = item[key]
    text = str(item).lower() if isinstance(item, bool) else str(item)
    return (text == condition.value) == condition.equal
