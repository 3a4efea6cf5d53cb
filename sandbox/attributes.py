"""What is known of a request on its way through the server: who asks, how, and for what."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from model.meta import JSON
from sandbox.kinds import Kind


class Operation(StrEnum):
    """What admission is asked about."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()


ADMIN = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))


@dataclass(frozen=True)
class Call:
    """How a request is to be carried out, and the warnings that its answer is to carry."""

    user: User = ADMIN
    manager: str = "unknown"
    """fieldManager, or what stands for the client."""
    dry_run: bool = False
    validation: str = "Warn"
    """fieldValidation: Strict, Warn or Ignore."""
    force: bool = False
    """Server-side apply takes over fields of other managers."""
    warnings: list[str] = field(default_factory=list, compare=False)
    options: JSON = field(default_factory=dict, compare=False)
    """fieldManager and fieldValidation as far as the client gave them."""


INTERNAL = Call(manager="lading-sandbox", validation="Ignore")
"""Calls by parts of the server itself."""


@dataclass(frozen=True)
class Attributes:
    """What admission plugins and webhooks see. `name` is empty while it is still to be generated."""

    operation: Operation
    kind: Kind
    namespace: str
    name: str
    call: Call
    obj: JSON | None = None
    old: JSON | None = None
    subresource: str = ""
    options: JSON = field(default_factory=dict)

    @property
    def own_body(self) -> tuple[str, str] | None:
        """The apiVersion and kind of the body, where the subresource has one of its own: Binding, Eviction, Scale."""
        found = self.kind.subresource(self.subresource)
        return (found.api_version, found.kind) if found and found.kind else None

    def with_object(self, obj: JSON) -> "Attributes":
        """The same request for what the object has become."""
        return replace(self, obj=obj)
