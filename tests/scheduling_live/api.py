"""A real API server as its administrator speaks to it: JSON objects by kind and name."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import aiohttp

from model import resources
from model.meta import JSON
from model.resources import Resource

KINDS: Final[dict[str, Resource[Any]]] = {
    each.kind: each
    for each in (
        resources.NAMESPACES,
        resources.NODES,
        resources.CSI_NODES,
        resources.CSI_DRIVERS,
        resources.CLASSES,
        resources.CAPACITIES,
        resources.PODS,
        resources.CLAIMS,
        resources.VOLUMES,
        resources.ATTACHMENTS,
        resources.EVENTS,
    )
}
MERGE: Final = {"Content-Type": "application/merge-patch+json"}
AT_ONCE: Final = 16
"""Requests under way."""


class Api:
    """The verbs that tests need."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._few = asyncio.Semaphore(AT_ONCE)

    async def get(self, kind: str, namespace: str, name: str) -> JSON | None:
        """The object; None where there is none."""
        return await self._send("GET", KINDS[kind].path(namespace, name), missing=True)

    async def all(self, kind: str, namespace: str = "") -> list[JSON]:
        """All objects of a kind, each with its kind."""
        found = await self._send("GET", KINDS[kind].path(namespace))
        assert found is not None
        return [each | {"kind": kind} for each in found["items"]]

    async def create(self, obj: JSON) -> JSON:
        """POST."""
        created = await self._send("POST", KINDS[obj["kind"]].path(obj["metadata"].get("namespace", "")), obj)
        assert created is not None
        return created | {"kind": obj["kind"]}

    async def create_all(self, objects: Iterable[JSON]) -> list[JSON]:
        """Create them at once."""
        return await asyncio.gather(*map(self.create, objects))

    async def merge(self, obj: JSON, change: JSON, subresource: str = "") -> JSON | None:
        """The object after a merge patch; None where it is gone."""
        path = KINDS[obj["kind"]].path(*_place(obj), subresource)
        changed = await self._send("PATCH", path, change, headers=MERGE, missing=True)
        return changed and changed | {"kind": obj["kind"]}

    async def delete(self, obj: JSON, **options: Any) -> JSON | None:
        """DELETE; what is gone already is well."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        return await self._send("DELETE", KINDS[obj["kind"]].path(*_place(obj)), body, missing=True)

    async def ensure_namespaces(self, names: Iterable[str]) -> None:
        """Make the namespaces that are not there."""
        there = {each["metadata"]["name"] for each in await self.all("Namespace")}
        for name in sorted({*names} - there):
            await self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def sweep(self, kinds: Iterable[str] = tuple(KINDS)[1:]) -> None:
        """Remove everything but namespaces, whoever would hold it back."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        for kind in kinds:
            found = await self.all(kind)
            free = {"metadata": {"finalizers": None}}
            await asyncio.gather(*(self.merge(obj, free) for obj in found if obj["metadata"].get("finalizers")))
            for namespace in {obj["metadata"].get("namespace", "") for obj in found}:
                await self._send("DELETE", KINDS[kind].path(namespace), body)

    async def _send(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        *,
        headers: dict[str, str] | None = None,
        missing: bool = False,
    ) -> JSON | None:
        async with self._few, self._session.request(method, path, json=body, headers=headers) as answer:
            read = await answer.json()
            if missing and answer.status == 404:
                return None
            assert answer.ok, (method, path, body, read)
            return dict(read)


def _place(obj: JSON) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
