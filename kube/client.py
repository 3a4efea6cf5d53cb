"""The verbs of the API over one HTTP session: typed views in, plain JSON out.

Every call ends within a deadline. What is safe to repeat is repeated by the transport; what is not is left to the
caller, who sees `Unreachable` and decides.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from model.meta import JSON
from model.resources import ObjectT, Resource

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from kube.config import Connection
    from kube.metrics import Metrics


class PatchType(StrEnum):
    """How a patch body is read, by its content type."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class Client:
    """A connected client. Every method raises `kube.errors.KubeError` of the class that fits."""

    metrics: Metrics

    async def get(self, resource: Resource[ObjectT], name: str, namespace: str = "") -> ObjectT:
        """One object, as the server has it now."""
        raise NotImplementedError

    async def list(
        self, resource: Resource[ObjectT], namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> builtins.list[ObjectT]:
        """All objects (of a namespace, if given) that the selectors accept, read in pages, consistent."""
        raise NotImplementedError

    async def create(
        self, resource: Resource[ObjectT], body: JSON, namespace: str = "", *, name: str = "", subresource: str = ""
    ) -> ObjectT:
        """POST; with `name` and `subresource` to a subresource. `apiVersion` and `kind` may be left out of the body."""
        raise NotImplementedError

    async def patch(
        self,
        resource: Resource[ObjectT],
        name: str,
        body: JSON | builtins.list[JSON],
        namespace: str = "",
        *,
        subresource: str = "",
        content: PatchType = PatchType.MERGE,
        force: bool = False,
    ) -> ObjectT:
        """PATCH. Preconditions go into a merge patch as metadata.resourceVersion and metadata.uid.

        `force` (apply only) takes over fields that other managers own.
        """
        raise NotImplementedError

    async def replace(
        self, resource: Resource[ObjectT], name: str, body: JSON, namespace: str = "", *, subresource: str = ""
    ) -> ObjectT:
        """PUT of a whole object, raw; for what was read raw, never for views."""
        raise NotImplementedError

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
        propagation: str | None = None,
    ) -> None:
        """DELETE, guarded by uid and resourceVersion where given. Gone already is `NotFound`."""
        raise NotImplementedError

    async def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """Put a pod on a node: POST of its binding subresource, guarded by the pod's uid."""
        raise NotImplementedError


@asynccontextmanager
async def connect(
    connection: Connection,
    *,
    user_agent: str = "lading",
    field_manager: str = "lading",
    registry: CollectorRegistry | None = None,
    request_seconds: float = 30.0,
) -> AsyncIterator[Client]:
    """A client while the block runs. `registry` takes the metrics; `request_seconds` bounds each call, retries included."""
    raise NotImplementedError
    yield Client()
