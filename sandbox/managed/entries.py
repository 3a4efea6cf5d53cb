"""The entries of metadata.managedFields as sets of paths by owner, and back.

Source: ManagedFieldsEntry in the API reference; the order of entries and the cap on updaters are the real server's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sandbox.errors import quote
from sandbox.managed.paths import Paths, from_fields, to_fields

JSON = dict[str, Any]

APPLY, UPDATE = "Apply", "Update"
MAX_UPDATERS = 10
"""So many owners by update are told apart; the oldest beyond share one entry."""
_ANCIENT = "ancient-changes"


class Owner(NamedTuple):
    """Who owns fields. An applier is the same owner in whatever version it applies."""

    manager: str
    operation: str
    version: str
    subresource: str

    def printed(self) -> str:
        """The owner as conflicts name it."""
        text = quote(self.manager)
        if self.subresource:
            text += f" with subresource {quote(self.subresource)}"
        return f"{text} using {self.version}" if self.operation == UPDATE else text


@dataclass(frozen=True)
class Owned:
    """What an owner owns, in which version of the kind, since when."""

    paths: Paths
    version: str
    time: str | None = None


@dataclass
class Ownership:
    """Who owns what of one object."""

    owners: dict[Owner, Owned] = field(default_factory=dict)

    @classmethod
    def read(cls, entries: Any) -> "Ownership":
        """From metadata.managedFields.

        Raises:
            ValueError: an entry is malformed.
        """
        found = cls()
        for index, entry in enumerate(entries or ()):
            operation, version = entry.get("operation", ""), entry.get("apiVersion", "")
            if operation not in {APPLY, UPDATE}:
                raise ValueError("operation must be `Apply` or `Update`")
            if not version:
                raise ValueError("apiVersion must not be empty")
            if entry.get("fieldsType") != "FieldsV1":
                raise ValueError(
                    f"invalid fieldsType {quote(entry.get('fieldsType', ''))} in managed fields entry {index}"
                )
            owner = Owner(
                entry.get("manager", ""),
                operation,
                version if operation == UPDATE else "",
                entry.get("subresource", ""),
            )
            found.owners[owner] = Owned(from_fields(entry.get("fieldsV1", {})), version, entry.get("time"))
        return found

    def entries(self) -> list[JSON]:
        """As metadata.managedFields: appliers first, then by time."""
        return [_entry(owner, self.owners[owner]) for owner in sorted(self.owners, key=self._order)]

    def _order(self, owner: Owner) -> tuple[str, ...]:
        owned = self.owners[owner]
        return (owner.operation, owned.time or "", owner.manager, owned.version, owner.subresource)

    def own(self, owner: Owner, owned: Owned) -> None:
        """Set what the owner owns; who owns nothing is forgotten."""
        if owned.paths:
            self.owners[owner] = owned
        else:
            self.owners.pop(owner, None)

    def disown(self, owner: Owner, paths: Paths) -> None:
        """The owner owns these no longer."""
        owned = self.owners[owner]
        self.own(owner, replace(owned, paths=owned.paths - paths))

    def cap_updaters(self) -> None:
        """Let the oldest updaters share an entry, so that the list stays short."""
        updaters = sorted(
            (owner for owner in self.owners if owner.operation == UPDATE),
            key=lambda owner: (self.owners[owner].time or "", owner),
        )
        excess = len(updaters) - MAX_UPDATERS
        firsts: dict[str, Owner] = {}
        for owner in updaters:
            if excess <= 0:
                return
            owned = self.owners[owner]
            if owned.version not in firsts:
                firsts[owned.version] = owner
                continue
            bucket = Owner(_ANCIENT, UPDATE, owned.version, "")
            if bucket not in self.owners:
                self.owners[bucket] = self.owners.pop(firsts[owned.version])
            shared = self.owners[bucket]
            self.owners[bucket] = Owned(shared.paths | owned.paths, owned.version, owned.time)
            del self.owners[owner]
            excess -= 1


def _entry(owner: Owner, owned: Owned) -> JSON:
    entry: JSON = {"manager": owner.manager, "operation": owner.operation, "apiVersion": owned.version}
    if owned.time:
        entry["time"] = owned.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": to_fields(owned.paths)}
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry


def is_reset(entries: Any) -> bool:
    """Whether a client's list asks to forget all owners: it is empty, or holds one empty entry."""
    return isinstance(entries, list) and (not entries or entries == [{}])


def all_paths(owned: Iterable[Owned]) -> Paths:
    """Everything that any of them owns."""
    return frozenset().union(*(each.paths for each in owned))
