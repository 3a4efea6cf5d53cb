"""Garbage: dependents whose owners are gone, deletions that wait for dependents, and the content of namespaces.

Rules: "Garbage Collection" and "Owners and Dependents" in the Kubernetes concepts. An object is deleted when none of
its owners is left; a foreground deletion waits for the dependents that block it; an orphaning one frees them first.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NoReturn

from model.meta import JSON
from sandbox.api import Api
from sandbox.deletion import FOREGROUND, ORPHAN, DeleteOptions
from sandbox.errors import ApiError
from sandbox.following import Seen, follow
from sandbox.history import Key
from sandbox.kinds import Kind
from sandbox.pipeline import Change, is_finished

_SKIPPED: Final = frozenset({"events"})
"""Too many, and owned by nobody."""


class Collector:
    """Follows every kind; see the module."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._dependents: dict[str, dict[tuple[Kind, Key], None]] = defaultdict(dict)
        """Who names an owner's UID."""
        self._owners: dict[tuple[Kind, Key], set[str]] = {}

    async def run(self) -> NoReturn:
        """Work for ever; kinds that are defined later join in."""
        while True:
            generation = self._api.kinds.generation
            async with follow(self._api, list(self._kinds())) as events:
                async for seen in events:
                    with suppress(ApiError):
                        await self._attend(seen)
                    if self._api.kinds.generation != generation:
                        break

    def _kinds(self) -> Iterator[Kind]:
        for kind in self._api.kinds:
            if "watch" in kind.verbs and kind.api_version == kind.stored_version and kind.resource not in _SKIPPED:
                yield kind

    async def _attend(self, seen: Seen) -> None:
        metadata = seen.obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        self._remember(seen, key)
        if seen.gone:
            await self._owner_gone(metadata["uid"])
            await self._finish_waiting(metadata)
            if metadata.get("namespace"):
                await self._check_namespace(metadata["namespace"])
        elif "deletionTimestamp" in metadata:
            await self._deleting(seen.kind, key, seen.obj)
        elif metadata.get("ownerReferences"):
            await self._collect_if_orphan(seen.kind, key, seen.obj)

    def _remember(self, seen: Seen, key: Key) -> None:
        who = (seen.kind, key)
        for uid in self._owners.pop(who, ()):
            self._dependents[uid].pop(who, None)
        owners = {reference["uid"] for reference in seen.obj["metadata"].get("ownerReferences") or ()}
        if owners and not seen.gone:
            self._owners[who] = owners
            for uid in owners:
                self._dependents[uid][who] = None

    async def _deleting(self, kind: Kind, key: Key, obj: JSON) -> None:
        finalizers = obj["metadata"].get("finalizers") or ()
        if is_finished(obj):
            # Whoever marked it did not come to removing it.
            await self._delete(kind, key, DeleteOptions(uid=obj["metadata"]["uid"]))
        elif ORPHAN in finalizers:
            for dependent, at in list(self._dependents[obj["metadata"]["uid"]]):
                await self._change(dependent, at, lambda old: _without_owner(old, obj["metadata"]["uid"]))
            await self._change(kind, key, lambda old: _without_finalizer(old, ORPHAN))
        elif FOREGROUND in finalizers:
            for dependent, at in list(self._dependents[obj["metadata"]["uid"]]):
                await self._delete(dependent, at, DeleteOptions(propagation="Foreground"))
            await self._finish_foreground(kind, key, obj["metadata"]["uid"])
        if kind.stored_resource == "namespaces":
            await self._empty_namespace(key[1])

    async def _finish_foreground(self, kind: Kind, key: Key, uid: str) -> None:
        if not any(self._blocks(dependent, at, uid) for dependent, at in self._dependents[uid]):
            await self._change(kind, key, lambda old: _without_finalizer(old, FOREGROUND))

    def _blocks(self, kind: Kind, key: Key, uid: str) -> bool:
        record = self._api.store.get(kind.stored_resource, key)
        references = record.value["metadata"].get("ownerReferences") or () if record else ()
        return any(each["uid"] == uid and each.get("blockOwnerDeletion") for each in references)

    async def _finish_waiting(self, metadata: JSON) -> None:
        """A dependent has gone: its owners may have waited for that."""
        for reference in metadata.get("ownerReferences") or ():
            kind = self._api.kinds.by_kind(reference["apiVersion"], reference["kind"])
            if kind is not None:
                namespace = metadata.get("namespace", "") if kind.namespaced else ""
                await self._finish_foreground(kind, (namespace, reference["name"]), reference["uid"])

    async def _owner_gone(self, uid: str) -> None:
        for kind, key in list(self._dependents.pop(uid, {})):
            record = self._api.store.get(kind.stored_resource, key)
            if record is not None:
                await self._collect_if_orphan(kind, key, record.value)

    async def _collect_if_orphan(self, kind: Kind, key: Key, obj: JSON) -> None:
        references = obj["metadata"].get("ownerReferences") or ()
        if not any(self._stands(reference, key[0]) for reference in references):
            await self._delete(kind, key, DeleteOptions(uid=obj["metadata"]["uid"], propagation="Background"))

    def _stands(self, reference: JSON, namespace: str) -> bool:
        """Whether the owner exists, or is of a kind that is unknown here."""
        kind = self._api.kinds.by_kind(reference["apiVersion"], reference["kind"])
        if kind is None:
            return True
        record = self._api.store.get(kind.stored_resource, (namespace if kind.namespaced else "", reference["name"]))
        return record is not None and bool(record.value["metadata"]["uid"] == reference["uid"])

    async def _empty_namespace(self, namespace: str) -> None:
        for kind in self._content_kinds():
            for record in list(self._api.store.records(kind.stored_resource, namespace)):
                if "deletionTimestamp" not in record.value["metadata"]:
                    await self._delete(kind, record.key, DeleteOptions(propagation="Background"))
        await self._check_namespace(namespace)

    async def _check_namespace(self, namespace: str) -> None:
        """Let a namespace go that is to be deleted and has nothing in it any more."""
        record = self._api.store.get("namespaces", ("", namespace))
        if record is None or "deletionTimestamp" not in record.value["metadata"]:
            return
        if any(any(self._api.store.records(kind.stored_resource, namespace)) for kind in self._content_kinds()):
            return
        await self._change(self._api.kind("v1", "Namespace"), ("", namespace), _finalized, "finalize")

    def _content_kinds(self) -> list[Kind]:
        return [
            kind
            for kind in self._api.kinds
            if kind.namespaced and "delete" in kind.verbs and kind.api_version == kind.stored_version
        ]

    async def _delete(self, kind: Kind, key: Key, options: DeleteOptions) -> None:
        with suppress(ApiError):
            await self._api.delete(kind, key, options)

    async def _change(self, kind: Kind, key: Key, change: Change, subresource: str = "") -> None:
        with suppress(ApiError):
            await self._api.change(kind, key, change, subresource)


def _without_owner(old: JSON, uid: str) -> JSON:
    references = [each for each in old["metadata"].get("ownerReferences") or () if each["uid"] != uid]
    return _with_metadata(old, "ownerReferences", references)


def _without_finalizer(old: JSON, finalizer: str) -> JSON:
    return _with_metadata(
        old, "finalizers", [each for each in old["metadata"].get("finalizers") or () if each != finalizer]
    )


def _with_metadata(old: JSON, field: str, values: list[JSON] | list[str]) -> JSON:
    metadata = {key: value for key, value in old["metadata"].items() if key != field}
    return {**old, "metadata": {**metadata, **({field: values} if values else {})}}


def _finalized(old: JSON) -> JSON:
    return {**old, "spec": {key: value for key, value in (old.get("spec") or {}).items() if key != "finalizers"}}
