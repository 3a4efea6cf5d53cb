"""CustomResourceDefinitions at work: what is stored of them decides which kinds are served.

In the real server a controller does this a moment later; here it is done when the write is answered, so that a kind
can be used at once.
"""

from contextlib import suppress
from typing import Final

from model.meta import JSON
from sandbox.attributes import INTERNAL, Call
from sandbox.crds import establish, kinds_of
from sandbox.errors import ApiError
from sandbox.kinds import Kind, Kinds
from sandbox.pipeline import Pipeline
from sandbox.store import Store, WriteConflictError

RESOURCE: Final = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP: Final = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that holds a definition until the objects of its kind are gone."""


class Definitions:
    """Keeps the served kinds in step with the stored definitions."""

    def __init__(self, store: Store, kinds: Kinds, pipeline: Pipeline) -> None:
        self._store, self._kinds, self._pipeline = store, kinds, pipeline

    def serve_all(self) -> None:
        """Serve what the store holds: after a restart."""
        for record in self._store.records(RESOURCE):
            self._kinds.define(record.key[1], kinds_of(record.value))

    async def after_write(self, kind: Kind, obj: JSON, call: Call) -> JSON:
        """If a definition was written: accept its names, say so in its status, serve its kinds."""
        if kind.stored_resource != RESOURCE or call.dry_run or "deletionTimestamp" in obj["metadata"]:
            return obj
        status = establish(obj, self._kinds)
        self._kinds.define(obj["metadata"]["name"], kinds_of({**obj, "status": status}))
        if obj.get("status") == status and CLEANUP in (obj["metadata"].get("finalizers") or ()):
            return obj

        def established(old: JSON) -> JSON:
            finalizers = dict.fromkeys([*(old["metadata"].get("finalizers") or ()), CLEANUP])
            return {**old, "metadata": {**old["metadata"], "finalizers": list(finalizers)}, "status": status}

        return await self._pipeline.change(kind, ("", obj["metadata"]["name"]), established, INTERNAL, "status")

    async def after_delete(self, kind: Kind, last: JSON, *, gone: bool) -> None:
        """If a definition is going: delete its objects, then let it go and serve its kinds no longer."""
        if kind.stored_resource != RESOURCE:
            return
        name = last["metadata"]["name"]
        if not gone:
            await self._delete_objects(last)
            with suppress(ApiError):
                await self._pipeline.change(kind, ("", name), _without_cleanup, INTERNAL)
        if self._store.get(RESOURCE, ("", name)) is None:
            for each in kinds_of(last):
                self._store.close_watches(each.stored_resource)
            self._kinds.withdraw(name)

    async def _delete_objects(self, definition: JSON) -> None:
        served = kinds_of(definition)
        if not served:
            return
        for record in list(self._store.records(served[0].stored_resource)):
            # One that was changed this moment is met by whoever deletes the definition next.
            with suppress(WriteConflictError):
                await self._pipeline.remove(served[0], record)


def _without_cleanup(old: JSON) -> JSON:
    finalizers = [each for each in old["metadata"].get("finalizers") or () if each != CLEANUP]
    return {**old, "metadata": {**old["metadata"], "finalizers": finalizers}}
