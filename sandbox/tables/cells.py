"""What all tables share: headings, ages, and how selectors, access modes and lists are written in a cell."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

JSON = dict[str, Any]

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"
_SHOWN = 3
"""So many endpoints or ports are shown; the rest is counted."""


@dataclass(frozen=True)
class Heading:
    """A column. Those of priority 1 are shown with `-o wide`."""

    name: str
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> JSON:
        """As the Table carries it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True)
class View:
    """What a row may look at besides its object: the time, and the list it stands in (empty for a single object)."""

    now: datetime
    objects: Sequence[JSON] = ()


@dataclass(frozen=True)
class Printer:
    """How a kind is shown: the columns, and the cells of one object in their order."""

    headings: tuple[Heading, ...]
    cells: Callable[[JSON, View], list[Any]]


NAME = Heading("Name", format="name")
AGE = Heading("Age")


def columns(*names: str, wide: Sequence[str] = (), **types: str) -> tuple[Heading, ...]:
    """Name first, then these; `types` are by the name in lower case without anything but letters."""
    shown = [NAME, *(Heading(name, types.get(_letters(name), "string")) for name in names)]
    return (*shown, *(Heading(name, types.get(_letters(name), "string"), priority=1) for name in wide))


def _letters(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalpha())


def name_of(obj: JSON) -> str:
    """metadata.name."""
    name: str = obj.get("metadata", {}).get("name", "")
    return name


def age(obj: JSON, view: View) -> str:
    """How long ago the object was created."""
    return since(obj.get("metadata", {}).get("creationTimestamp"), view)


def since(time: str | None, view: View) -> str:
    """How long ago a time of the API was, `<unknown>` where it is not given."""
    return human_duration(view.now - datetime.fromisoformat(time)) if time else UNKNOWN


def human_duration(duration: timedelta) -> str:
    """Two or three significant figures, as kubectl users know them: 95s, 4m5s, 47m, 5h3m, 2d1h, 3y12d."""
    seconds = int(duration.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return f"{minutes}m" + _rest(seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h" + _rest(minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d" + _rest(hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    return f"{days // 365}y" + (_rest(days % 365, "d") if days < 365 * 8 else "")


def _rest(count: int, unit: str) -> str:
    return f"{count}{unit}" if count else ""


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: Iterable[str] | None) -> str:
    """`RWO,ROX`: always in this order, each once."""
    given = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def labels(pairs: Mapping[str, str] | None) -> str:
    """`a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or NONE


def selector(value: JSON | None) -> str:
    """A LabelSelector as `kubectl -l` takes it."""
    value = value or {}
    parts = {key: f"{key}={each}" for key, each in (value.get("matchLabels") or {}).items()}
    for each in value.get("matchExpressions") or ():
        parts[each["key"]] = _expression(each)
    return ",".join(parts[key] for key in sorted(parts)) or NONE


def _expression(expression: JSON) -> str:
    key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
    match expression.get("operator"):
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return str(key)


def first_few(items: Sequence[str], nothing: str) -> str:
    """The first three, and how many more."""
    text = ",".join(items[:_SHOWN])
    return f"{text} + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else text or nothing


def containers(template: JSON | None) -> tuple[str, str]:
    """Names and images of a pod template's containers."""
    found = ((template or {}).get("spec") or {}).get("containers") or []
    return ",".join(each.get("name", "") for each in found), ",".join(each.get("image", "") for each in found)
