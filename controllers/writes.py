"""Writing: every write of a controller is guarded by what it was decided on, and seen by the next pass at once."""

from collections import OrderedDict
from typing import Any, Final

from controllers.gate import Gate
from kube.caches import Caches
from kube.client import Client, PatchType
from model.meta import JSON, Object
from model.resources import ObjectT, Resource

REMEMBERED: Final = 4096
"""How many versions of our own are told from those of others: more than can be on their way to the caches."""


class Writer:
    """The writes over the API. Every method raises `kube.errors.KubeError`, and GateShut."""

    def __init__(self, client: Client, caches: Caches, gate: Gate) -> None:
        self._client = client
        self._caches = caches
        self._gate = gate
        self._own: OrderedDict[str, None] = OrderedDict()

    async def patch(
        self,
        resource: Resource[ObjectT],
        seen: ObjectT,
        change: JSON,
        *,
        subresource: str = "",
        content: PatchType = PatchType.MERGE,
    ) -> ObjectT:
        """Merge a change into the object as it was seen; a Conflict if it is another by now.

        `content` may be STRATEGIC where the change has no lists that the API merges: it costs the server less.
        """
        guard = {"uid": seen.uid, "resourceVersion": seen.metadata.resource_version}
        body = {**change, "metadata": {**change.get("metadata", {}), **guard}}
        self._gate.check()
        written = await self._client.patch(
            resource, seen.name, body, seen.namespace, subresource=subresource, content=content
        )
        self._assume(resource, written)
        return written

    async def create(self, resource: Resource[ObjectT], body: JSON, namespace: str = "") -> ObjectT:
        """Make a new object."""
        self._gate.check()
        written = await self._client.create(resource, body, namespace)
        self._assume(resource, written)
        return written

    async def delete(self, resource: Resource[Any], seen: Object, *, grace_seconds: int | None = None) -> None:
        """Delete the very object that was seen; with finalizers it only begins to go. NotFound if it is gone."""
        self._gate.check()
        await self._client.delete(resource, seen.name, seen.namespace, uid=seen.uid, grace_seconds=grace_seconds)

    def is_own(self, obj: Object) -> bool:
        """Whether this version of the object is one that we wrote, as far as we remember."""
        return obj.metadata.resource_version in self._own

    def _assume(self, resource: Resource[ObjectT], written: ObjectT) -> None:
        self._own[written.metadata.resource_version] = None
        if len(self._own) > REMEMBERED:
            self._own.popitem(last=False)
        if resource in self._caches:
            self._caches.of(resource).assume(written)
