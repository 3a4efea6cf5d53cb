"""Taking back the wish for a volume on a node that is gone.

Such a claim keeps its pod off every node that exists, for ever: nobody provisions for a missing node, and the pod can
not be placed anywhere else. Removing the annotation lets the scheduler choose anew.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import structlog

from extender.facts import PinnedElsewhere
from extender.snapshot import Snapshot
from extender.verdict import Objection
from extender.writes import Writer
from kube.errors import KubeError, NotFound
from model.volumes import PersistentVolumeClaim

log = structlog.get_logger()


class Healer:
    """Frees claims that filters found pinned to a missing node, each at most once at a time."""

    def __init__(
        self,
        snapshot: Snapshot,
        writer: Writer,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        healed: Callable[[PersistentVolumeClaim, str], None],
    ) -> None:
        """`spawn` starts a task in the owner's group; `healed(claim, node)` is told of every success."""
        self._snapshot = snapshot
        self._writer = writer
        self._spawn = spawn
        self._healed = healed
        self._under_way: set[str] = set()

    def consider(self, namespace: str, objections: Iterable[Objection]) -> None:
        """Look at what a filter objected to a pod of the namespace."""
        for objection in objections:
            fact = objection.fact
            if not isinstance(fact, PinnedElsewhere) or fact.node in self._snapshot.nodes.position:
                continue
            key = f"{namespace}/{fact.claim}"
            claim = self._snapshot.stores.claims.get(key)
            if claim is not None and key not in self._under_way:
                self._under_way.add(key)
                self._spawn(self._heal(claim, fact.node))

    async def _heal(self, claim: PersistentVolumeClaim, node: str) -> None:
        try:
            if not await self._exists(node):
                await self._writer.select_node(claim, None)
                log.info("selected node cleared", namespace=claim.namespace, claim=claim.name, node=node)
                self._healed(claim, node)
        except KubeError as fault:
            log.info("selected node not cleared", namespace=claim.namespace, claim=claim.name, error=str(fault))
        finally:
            self._under_way.discard(claim.key)

    async def _exists(self, node: str) -> bool:
        """Ask the server: the cache may not have a new node yet. No node has an empty name."""
        try:
            return bool(node) and bool(await self._writer.node(node))
        except NotFound:
            return False
