"""Who owns which field after a write, and what an apply makes of an object.

Source: "Server-Side Apply" in the Kubernetes documentation; the odd cases (what an empty live object owns, the
client-side apply annotation) follow the real server.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.errors import ApiError
from sandbox.managed.compare import compare, field_set
from sandbox.managed.entries import APPLY, UPDATE, Owned, Owner, Ownership, all_paths, is_reset
from sandbox.managed.merge import merge, remove, with_named_fields
from sandbox.managed.paths import NONE, Path, Paths, is_within, printed
from sandbox.schema import decode, schema_of
from sandbox.schema.types import Schema

if TYPE_CHECKING:
    from sandbox.kinds import Kind

JSON = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL = "kubectl"
_BEFORE = "before-first-apply"
_NEVER_OWNED: Paths = frozenset(
    [
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName"),
                *("generation", "managedFields", "resourceVersion"),
            )
        ),
    ]
)


@dataclass(frozen=True)
class Writer:
    """Who writes, through which door, when."""

    kind: "Kind"
    manager: str
    now: datetime
    subresource: str = ""

    @property
    def schema(self) -> Schema:
        """The schema of what is written."""
        return schema_of(self.kind)

    @property
    def time(self) -> str:
        """The time as entries show it."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def owner(self, operation: str) -> Owner:
        """This writer as an owner."""
        version = self.kind.api_version if operation == UPDATE else ""
        return Owner(self.manager or "unknown", operation, version, self.subresource)

    @property
    def unowned(self) -> Paths:
        """What this door can not write, and so gives no ownership of."""
        return _unwritable(self.kind, self.subresource)


def _unwritable(kind: "Kind", subresource: str) -> Paths:
    if subresource == "":
        return frozenset([("f:status",)]) if kind.has_status else NONE
    if subresource != "status":
        return NONE
    if kind.custom:
        return frozenset([("f:apiVersion",), ("f:kind",), ("f:metadata",), ("f:spec",)])
    more: tuple[Path, ...] = ()
    if kind.kind == "Pod":
        more = (("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences"))
    if kind.kind == "VolumeAttachment":
        more = (("f:metadata",),)
    return frozenset([("f:spec",), *more])


def update(writer: Writer, old: JSON | None, new: JSON) -> JSON:
    """`new` with the owners that this create, update or patch leaves. Neither argument is changed."""
    live = _blank(writer.kind) if old is None else old
    ownership = _known_owners(writer, live, new)
    result = _with_entries(new, [])
    if not ownership.owners and old is not None:
        # An object whose owners somebody reset stays without, until the first apply.
        return result
    _record_update(writer, _with_entries(live, []), result, ownership)
    ownership.cap_updaters()
    return _with_entries(result, ownership.entries())


def _known_owners(writer: Writer, live: JSON, new: JSON) -> Ownership:
    """The owners that the client sent, if it may and they can be read; else those of the live object."""
    sent = new.get("metadata", {}).get("managedFields")
    if not writer.subresource:
        if is_reset(sent):
            return Ownership()
        try:
            if (read := Ownership.read(sent)).owners:
                return read
        except ValueError:
            pass
    try:
        return Ownership.read(live.get("metadata", {}).get("managedFields"))
    except ValueError:
        return Ownership()


def _record_update(writer: Writer, live: JSON, new: JSON, ownership: Ownership) -> None:
    changed = compare(writer.schema, live, new).without(writer.unowned)
    touched = changed.added | changed.modified
    for owner, owned in list(ownership.owners.items()):
        if owned.version == writer.kind.api_version:
            ownership.own(owner, replace(owned, paths=owned.paths - touched - changed.removed))
    taken = touched - _NEVER_OWNED
    if taken:
        self = writer.owner(UPDATE)
        before = ownership.owners.get(self)
        paths = taken | (before.paths if before else NONE)
        ownership.own(self, Owned(paths, writer.kind.api_version, writer.time))


def apply(writer: Writer, live: JSON | None, applied: JSON, *, force: bool, defaults: Callable[[JSON], None]) -> JSON:
    """What the live object becomes when `applied` is applied to it, owners included. Neither argument is changed.

    Raises:
        ApiError: 409 with a cause for each field that another owner has set otherwise, unless `force`.
        DecodeError: what the two make together is no object of the kind.
    """
    blank = _blank(writer.kind)
    base = _with_entries(blank if live is None else live, [])
    ownership = Ownership.read(live.get("metadata", {}).get("managedFields") if live else None)
    if live and not ownership.owners:
        _record_update(replace(writer, manager=_BEFORE), blank, base, ownership)
    merged = _Application(writer, base, applied, ownership).run(force=force)
    result = decode(writer.kind, merged).value
    defaults(result)
    if writer.manager == _KUBECTL and result.get("metadata", {}).get("annotations", {}).get(LAST_APPLIED):
        _renew_last_applied(result, applied)
    result = _with_entries(result, ownership.entries())
    return live if live and _without_times(live) == _without_times(result) else result


@dataclass
class _Application:
    """One apply: the live object, what is applied to it, and who owns what. `ownership` is changed in place."""

    writer: Writer
    live: JSON
    applied: JSON
    ownership: Ownership

    def run(self, *, force: bool) -> JSON:
        schema, owners = self.writer.schema, self.ownership.owners
        self_owner = self.writer.owner(APPLY)
        last = owners.get(self_owner)
        paths = field_set(schema, self.applied)
        mine = frozenset(path for path in paths if not is_within(path, self.writer.unowned))
        owned = Owned(mine, self.writer.kind.api_version, last.time if last else None)
        others = {owner: each for owner, each in owners.items() if owner != self_owner}
        merged: JSON = merge(schema, self.live, self.applied)
        if last:
            merged = self._prune(merged, last.paths, all_paths([*others.values(), owned]))
        changed = compare(schema, self.live, merged).without(self.writer.unowned)
        touched = changed.added | changed.modified
        conflicts = {owner: each.paths & touched for owner, each in others.items() if each.paths & touched}
        if conflicts and not force:
            self._refuse(conflicts)
        for owner, each in others.items():
            self.ownership.own(owner, replace(each, paths=each.paths - touched - changed.removed))
        if merged != self.live:
            owned = replace(owned, time=self.writer.time)
        self.ownership.own(self_owner, replace(owned, paths=owned.paths - _NEVER_OWNED))
        return merged

    def _prune(self, merged: JSON, last: Paths, owned: Paths) -> JSON:
        """Without what this owner applied last time, not this time, and nobody else owns."""
        schema = self.writer.schema
        last = with_named_fields(schema, last)
        everything = with_named_fields(schema, field_set(schema, merged))
        pruned = with_named_fields(schema, field_set(schema, remove(schema, merged, last) or {}))
        kept = remove(schema, merged, everything - (pruned | with_named_fields(schema, owned))) or {}
        # What hung on a removed item but was never this owner's comes back.
        kept_paths = with_named_fields(schema, field_set(schema, kept))
        result: JSON = remove(schema, merged, (everything - kept_paths) & last) or {}
        return result

    def _refuse(self, conflicts: dict[Owner, Paths]) -> None:
        """Raise unless kubectl takes over what its own client-side apply had set."""
        if self.writer.manager == _KUBECTL:
            allowed = self._client_side_paths()
            conflicts = {owner: left for owner, paths in conflicts.items() if (left := paths - allowed)}
        if conflicts:
            raise conflict_error(conflicts)

    def _client_side_paths(self) -> Paths:
        """What the client-side apply annotation set and the live object still has."""
        try:
            last = orjson.loads(self.live.get("metadata", {}).get("annotations", {}).get(LAST_APPLIED, ""))
        except orjson.JSONDecodeError:
            return NONE
        if not isinstance(last, dict) or last.get("apiVersion") != self.writer.kind.api_version:
            return NONE
        changed = compare(self.writer.schema, last, self.live)
        return field_set(self.writer.schema, last) - changed.modified - changed.added - changed.removed


def conflict_error(conflicts: dict[Owner, Paths]) -> ApiError:
    """409, in the shape that kubectl explains to its user."""
    found = [(owner, path) for owner in sorted(conflicts) for path in sorted(conflicts[owner])]
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {owner.printed()}", "field": printed(path)}
        for owner, path in found
    ]
    if len(found) == 1:
        owner, path = found[0]
        message = f"Apply failed with 1 conflict: conflict with {owner.printed()}: {printed(path)}"
    else:
        lines = []
        for owner in sorted(conflicts, key=Owner.printed):
            lines.append(f"conflicts with {owner.printed()}:")
            lines += [f"- {printed(path)}" for path in sorted(conflicts[owner])]
        message = f"Apply failed with {len(found)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", message, {"causes": causes})


def _renew_last_applied(result: JSON, applied: JSON) -> None:
    """Keep the client-side annotation in step, so that `kubectl apply` without --server-side still knows its own."""
    kept = deepcopy(applied)
    ((kept.get("metadata") or {}).get("annotations") or {}).pop(LAST_APPLIED, None)
    result["metadata"]["annotations"][LAST_APPLIED] = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS).decode() + "\n"


def _without_times(obj: JSON) -> JSON:
    """The object without the times of its owners: where nothing else has changed, nothing has."""
    entries = obj["metadata"].get("managedFields", ())
    return _with_entries(obj, [{key: value for key, value in entry.items() if key != "time"} for entry in entries])


def _blank(kind: "Kind") -> JSON:
    """The object that the server compares a created one with: a custom one is empty, a Go struct has its zeros."""
    identity: JSON = {"apiVersion": kind.api_version, "kind": kind.kind}
    return identity if kind.custom else decode(kind, identity).value


def _with_entries(obj: JSON, entries: list[JSON]) -> JSON:
    """A copy, shallow but for metadata, with these managedFields."""
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = entries
    return obj | {"metadata": metadata}
