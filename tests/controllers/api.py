"""An API server, the sandbox or a real one, as the replay of cases speaks to it: JSON objects by kind and name."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from model import resources
from model.meta import JSON, Object
from model.resources import Resource

SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True, view=Object)
KINDS: Final[dict[str, Resource[Any]]] = {
    each.kind: each
    for each in (
        resources.PODS,
        resources.ATTACHMENTS,
        resources.CLAIMS,
        resources.VOLUMES,
        resources.CLASSES,
        resources.NODES,
        resources.CSI_NODES,
        resources.SECRETS,
        resources.NAMESPACES,
        SERVICE_ACCOUNTS,
    )
}
"""In the order in which they are best deleted."""
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}


class Api:
    """The verbs that a case needs."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, kind: str, namespace: str, name: str) -> JSON | None:
        """The object; None where there is none."""
        return await self._send("GET", KINDS[kind].path(namespace, name), missing=True)

    async def all(self, kind: str, namespace: str = "") -> list[JSON]:
        """All objects of a kind, each with its kind."""
        found = await self._send("GET", KINDS[kind].path(namespace))
        assert found is not None
        return [each | {"kind": kind} for each in found["items"]]

    async def events(self, namespace: str) -> list[JSON]:
        """All events of a namespace."""
        found = await self._send("GET", resources.EVENTS.path(namespace))
        assert found is not None
        items: list[JSON] = found["items"]
        return items

    async def create(self, obj: JSON) -> JSON | None:
        """The new object without its status, or the one that was there already."""
        kind, namespace, name = identity(obj)
        body = {key: value for key, value in obj.items() if key != "status"}
        created = await self._send("POST", KINDS[kind].path(namespace), body, taken=True)
        return created or await self.get(kind, namespace, name)

    async def merge(self, obj: JSON, change: JSON, subresource: str = "", *, missing: bool = False) -> JSON | None:
        """The object after a merge patch; None if a version was given and it is past, or it may be `missing` and is."""
        kind, namespace, name = identity(obj)
        path = KINDS[kind].path(namespace, name, subresource)
        return await self._send("PATCH", path, change, headers=_MERGE, missing=missing, taken=True)

    async def delete(self, kind: str, namespace: str, name: str, **options: Any) -> None:
        """Delete as a user does; what is gone already is well."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        await self._send("DELETE", KINDS[kind].path(namespace, name), body, missing=True)

    async def _send(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        *,
        headers: dict[str, str] | None = None,
        missing: bool = False,
        taken: bool = False,
    ) -> JSON | None:
        async with self._session.request(method, path, json=body, headers=headers) as answer:
            read = await answer.json()
            if (missing and answer.status == 404) or (taken and answer.status == 409):
                return None
            assert answer.ok, (method, path, body, read)
            return dict(read)


def identity(obj: JSON) -> tuple[str, str, str]:
    """Kind, namespace ("" for none) and name."""
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata["name"]


@asynccontextmanager
async def connected(kubeconfig: Path) -> AsyncIterator[Api]:
    """An Api of the server of a kubeconfig, whose user is known by a token."""
    url, ca, token = await asyncio.to_thread(_read, kubeconfig)
    async with aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=ca)),
        headers={"Authorization": f"Bearer {token}"},
        timeout=aiohttp.ClientTimeout(total=30.0),
    ) as session:
        yield Api(session)


def _read(kubeconfig: Path) -> tuple[str, str, str]:
    """URL, authority and token."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    data = cluster.get("certificate-authority-data")
    ca = base64.b64decode(data).decode() if data else Path(cluster["certificate-authority"]).read_text()
    return cluster["server"], ca, user["token"]
