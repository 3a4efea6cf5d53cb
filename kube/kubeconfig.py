"""One context of a kubeconfig, with its cluster and user: settings read with their types checked.

No error text here quotes a setting, as settings hold secrets: it names the file, the entry and the key.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kube.errors import ConfigError
from kube.official import Kubeconfig
from kube.tls import Pem

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A cluster, user or context, or a section of one: its settings, and the file they stand in."""

    title: str
    path: Path = Path()
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> str:
        """For errors: which entry of which file."""
        return f"{self.path}: {self.title}"

    def text(self, key: str) -> str:
        """A setting, "" when absent. Raises ConfigError if it is no text."""
        return self._typed(key, str, "")

    def flag(self, key: str) -> bool:
        """A setting, False when absent. Raises ConfigError if it is no boolean."""
        return self._typed(key, bool, default=False)

    def texts(self, key: str) -> tuple[str, ...]:
        """A setting that is a list, empty when absent. Raises ConfigError."""
        nothing: list[Any] = []
        return tuple(str(each) for each in self._typed(key, list, nothing))

    def file(self, key: str) -> Path | None:
        """A setting that names a file, from the folder of the kubeconfig."""
        name = self.text(key)
        return self.path.parent / name if name else None

    def pem(self, key: str) -> Pem | None:
        """PEM text: `KEY-data` in base64 goes before the file that `KEY` names. Raises ConfigError."""
        encoded = self.text(f"{key}-data")
        if not encoded:
            path = self.file(key)
            return Pem(path=path) if path else None
        try:
            return Pem(base64.b64decode("".join(encoded.split()), validate=True))
        except (binascii.Error, ValueError):
            raise ConfigError(f"{self.where}: {key}-data is not base64") from None

    def section(self, key: str) -> "Entry":
        """A setting that holds settings; empty when absent. Raises ConfigError."""
        nothing: dict[str, Any] = {}
        return Entry(f"{self.title}, {key}", self.path, self._typed(key, dict, nothing))

    def _typed(self, key: str, type_: type[T], default: T) -> T:
        value = self.settings.get(key)
        if value is None:
            return default
        if not isinstance(value, type_):
            raise ConfigError(f"{self.where}: {key} must be a {type_.__name__}, not a {type(value).__name__}")
        return value


@dataclass(frozen=True)
class Context:
    """The chosen context."""

    name: str
    namespace: str
    cluster: Entry
    user: Entry


def choose(kubeconfig: Kubeconfig, name: str | None) -> Context:
    """The context of that name, the current one by default.

    Raises:
        ConfigError: there is no such context, or its cluster or user is missing.
    """
    name = name or kubeconfig.current_context
    if not name:
        raise ConfigError(f"{kubeconfig.shown}: there is no current-context; set one or name a context")
    context = _find(kubeconfig, "contexts", name)
    user = context.text("user")
    return Context(
        name,
        context.text("namespace"),
        _find(kubeconfig, "clusters", context.text("cluster")),
        _find(kubeconfig, "users", user) if user else Entry("no user"),
    )


def _find(kubeconfig: Kubeconfig, plural: str, wanted: str) -> Entry:
    title = f"{plural.removesuffix('s')} {wanted!r}"
    for path, name, settings in kubeconfig.entries(plural):
        if name == wanted:
            if not isinstance(settings, dict | None):
                raise ConfigError(f"{path}: {title} must hold settings")
            return Entry(title, path, settings or {})
    raise ConfigError(f"{kubeconfig.shown}: there is no {title}")
