"""What rules are told in the settings file: one option a rule, how it is written, and where it goes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model import quantity
from model.quantity import QuantityError
from webhooks.rules import meant
from webhooks.rules.policy import DefaultClass


class Problems:
    """Everything that is wrong in a file, with its place, to be reported at once."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note one."""
        self.lines.append(f"{where}: {what}" if where else what)

    def finish(self, source: str) -> None:
        """Raise SettingsError if there was any."""
        if self.lines:
            raise SettingsError("\n".join(f"{source}: {line}" for line in self.lines))

    def mapping(self, value: Any, where: str, known: Iterable[str] | None = None) -> dict[str, Any]:
        """The value as a mapping of these keys; what is wrong is noted and left out."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.add(where, f"is a {type(value).__name__}, not a mapping")
            return {}
        keys = None if known is None else tuple(known)
        kept: dict[str, Any] = {}
        for key, each in value.items():
            if keys is not None and key not in keys:
                self.add(f"{where}.{key}".lstrip("."), f"is not known; {meant(key, keys)}")
            else:
                kept[key] = each
        return kept

    def sequence(self, value: Any, where: str) -> list[Any]:
        """The value as a list."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.add(where, f"is a {type(value).__name__}, not a list")
            return []
        return value

    def text(self, value: Any, where: str) -> str:
        """The value as a text that is not empty."""
        if not isinstance(value, str) or not value.strip():
            self.add(where, f"{value!r} is no text; numbers and the like are written in quotes")
            return ""
        return value


class SettingsError(ValueError):
    """The settings can not be used; the message has a line for everything that is wrong."""


@dataclass(frozen=True)
class Option:
    """What one rule is told."""

    key: str
    """In the file."""
    field: str
    """Of `Policy`."""
    parse: Callable[[Any, str, Problems], Any]
    about: str
    required: bool = True
    """Whether the rule says nothing without it."""


def _texts(value: Any, where: str, problems: Problems) -> tuple[str, ...]:
    found = problems.sequence(value, where)
    return tuple(problems.text(each, f"{where}[{place}]") for place, each in enumerate(found))


def _paths(value: Any, where: str, problems: Problems) -> tuple[str, ...]:
    paths = _texts(value, where, problems)
    for place, path in enumerate(paths):
        if path and not path.startswith("/"):
            problems.add(f"{where}[{place}]", f"{path!r} is no absolute path")
    return paths


def _by_name(value: Any, where: str, problems: Problems) -> Mapping[str, str]:
    return {key: problems.text(each, f"{where}.{key}") for key, each in problems.mapping(value, where).items()}


def _quantities(value: Any, where: str, problems: Problems) -> Mapping[str, str]:
    found = {key: str(each) for key, each in problems.mapping(value, where).items()}
    for key, each in found.items():
        try:
            if quantity.nanos(each) < quantity.NANO:
                problems.add(f"{where}.{key}", f"{each!r} is less than a byte")
        except QuantityError as error:
            problems.add(f"{where}.{key}", str(error))
    return found


def _modes(value: Any, where: str, problems: Problems) -> Mapping[str, tuple[str, ...]]:
    known = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
    found = {}
    for key, each in problems.mapping(value, where).items():
        found[key] = _texts(each, f"{where}.{key}", problems)
        for mode in set(found[key]) - {*known, ""}:
            problems.add(f"{where}.{key}", f"{mode!r} is no access mode; {meant(mode, known)}")
    return found


def _default_classes(value: Any, where: str, problems: Problems) -> tuple[DefaultClass, ...]:
    found = problems.sequence(value, where)
    return tuple(_default_class(each, f"{where}[{place}]", problems) for place, each in enumerate(found))


def _default_class(value: Any, where: str, problems: Problems) -> DefaultClass:
    given = problems.mapping(value, where, ("class", "namespaces", "labels"))
    return DefaultClass(
        problems.text(given.get("class"), f"{where}.class"),
        _texts(given.get("namespaces"), f"{where}.namespaces", problems),
        _by_name(given.get("labels"), f"{where}.labels", problems),
    )


_PROVISIONERS: Final = 'the provisioners whose classes it is for, "*" being all'

OPTIONS: Final[Mapping[str, Option]] = {
    "pv-hostpath-protected": Option(
        "paths", "protected_paths", _paths, "the protected paths, in place of those by default", required=False
    ),
    "pv-fstype-default": Option("types", "fs_types", _by_name, "file system types by driver"),
    "pv-claimref-repoint-strict": Option(
        "users", "repointers", _texts, "who may hand over volumes in use, by full user name", required=False
    ),
    "pvc-max-size": Option("sizes", "max_sizes", _quantities, 'quantities by class, "*" being all others'),
    "pvc-min-size": Option("sizes", "min_sizes", _quantities, 'quantities by class, "*" being all others'),
    "pvc-size-step": Option("steps", "size_steps", _quantities, 'quantities by driver, "*" being all others'),
    "pvc-default-class": Option(
        "classes",
        "default_classes",
        _default_classes,
        "a list of `class` with the `namespaces` and the claim's `labels` that it is for; the first that fits counts",
    ),
    "pvc-access-mode-support": Option("modes", "access_modes", _modes, "the access modes that each driver has"),
    "sc-binding-mode": Option("provisioners", "waiting", _texts, _PROVISIONERS),
    "sc-reclaim-policy": Option("provisioners", "retaining", _texts, _PROVISIONERS),
    "sc-expansion": Option("provisioners", "expanding", _texts, _PROVISIONERS),
}
"""By rule."""
