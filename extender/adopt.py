"""Storage for pods that name their node themselves: no scheduler is shown them, so nobody else would choose for them.

Their claims that wait for a first consumer would wait for ever. The node is settled; what is left is what bind does for
one node, by the code that decides there, and an event on the pod where the node can not have its storage.
"""

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Final, NoReturn

import structlog

from extender.announce import Announcer
from extender.filters import evaluate
from extender.heal import Healer
from extender.masks import bit
from extender.obtaining import Obtaining, Refused
from extender.snapshot import Snapshot
from extender.stores import on_a_node
from extender.verdict import EvaluationError, Reason, Verdicts
from extender.why import why
from kube.cache import Cache
from kube.errors import KubeError
from kube.workqueue import WorkQueue
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod
from storage.limits import claim_slot

log = structlog.get_logger()

AGAIN_SECONDS: Final = 10.0
"""Until a pod is looked at again that still waits."""
WORKERS: Final = 4


class Adopter:
    """Looks after pods that are on a node and wait for storage that nobody was asked for."""

    def __init__(
        self,
        snapshot: Snapshot,
        obtaining: Obtaining,
        healer: Healer,
        announcer: Announcer,
        *,
        pods: Cache[Pod],
        claims: Cache[PersistentVolumeClaim],
    ) -> None:
        """The caches are those beneath the reservations: what is only being bound is on no node there."""
        self._snapshot = snapshot
        self._obtaining = obtaining
        self._healer = healer
        self._announcer = announcer
        self._pods = pods
        self._queue: WorkQueue | None = None
        """While it works."""
        pods.subscribe(self._on_pod)
        claims.subscribe(self._on_claim)

    async def run(self) -> NoReturn:
        """Work until cancelled, beginning with what is there."""
        self._queue = WorkQueue("adopt")
        try:
            for pod in self._pods.values():
                self._on_pod(None, pod)
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(self._work(self._queue))
        finally:
            self._queue = None
        raise AssertionError("workers work until cancelled")

    async def _work(self, queue: WorkQueue) -> NoReturn:
        while True:
            key = await queue.get()
            try:
                await self._look_after(key)
            except Exception:  # the last guard: one pod's fault must not end the others' care
                log.exception("pod not looked after", pod=key)
            finally:
                queue.done(key)
            if self._waiting(key) is not None:
                queue.add_after(key, AGAIN_SECONDS)

    async def _look_after(self, key: str) -> None:
        pod = self._waiting(key)
        if pod is None:
            return
        node = pod.spec.node_name
        try:
            self._judge(pod, node)
            with self._obtaining.held(pod, node) as (plan, held):
                await self._obtaining.write(plan, node, held, lambda: None)
        except (Refused, EvaluationError) as refusal:
            self._tell(pod, f"the pod names node {node}, which can not have its storage: {refusal}")
        except KubeError as fault:
            log.info("storage not asked for", namespace=pod.namespace, pod=pod.name, node=node, error=str(fault))
        else:
            log.info("storage asked for", namespace=pod.namespace, pod=pod.name, node=node)

    def _judge(self, pod: Pod, node: str) -> None:
        """Raises Refused with the words of the filters, where bind would have few."""
        position = self._snapshot.nodes.position.get(node)
        if position is None:
            return  # the words are those of bind
        verdicts = evaluate(pod, self._snapshot, bit(position))
        self._healer.consider(pod.namespace, verdicts.objections)
        if not verdicts.feasible:
            raise Refused(self._told(verdicts))
        held = self._snapshot.slots.on(node)
        # The pod counts on its node already: a limit that it would pass is passed.
        for driver in sorted(set(self._drivers(pod)) & {*held.limits}):
            if held.free(driver) < 0:
                used = f"{held.taken[driver]} of {held.limits[driver]} slots of driver {driver} are taken"
                raise Refused(f"{Reason.MAX_VOLUME_COUNT} ({used}, its own among them)")

    def _drivers(self, pod: Pod) -> Iterator[str]:
        """The drivers of whose slots its open claims take one by their class."""
        for claim in self._open(pod):
            if slot := claim_slot(claim, None, self._snapshot.stores.class_of(claim), migrated=True):
                yield slot[1]

    def _told(self, verdicts: Verdicts) -> str:
        reasons = ", ".join(each.message for each in verdicts.groups())
        details = why(verdicts, self._snapshot).partition(": ")[2]
        return reasons if details == reasons else f"{reasons} ({details})"

    def _tell(self, pod: Pod, sentence: str) -> None:
        self._announcer.no_node_suits(pod, sentence, monotonic())

    # --- which ---

    def _waiting(self, key: str) -> Pod | None:
        """The pod, if it is on a node and has claims that were not asked for there.

        One that still lacks a claim is looked at when that is made: pods and claims are often applied in one go.
        """
        pod = self._pods.get(key)
        if pod is None or not on_a_node(pod) or pod.deleting:
            return None
        is_whole = all(claim is not None for _, _, claim in self._snapshot.stores.pod_claims(pod))
        return pod if is_whole and any(True for _ in self._open(pod)) else None

    def _open(self, pod: Pod) -> Iterator[PersistentVolumeClaim]:
        """Its claims that wait for their consumer, and whose storage is not being made for its node."""
        for _, _, claim in self._snapshot.stores.pod_claims(pod):
            if claim is None or claim.deleting or claim.spec.volume_name or claim.selected_node == pod.spec.node_name:
                continue
            storage_class = self._snapshot.stores.class_of(claim)
            if storage_class is not None and storage_class.waits_for_consumer:
                yield claim

    def _on_pod(self, _old: Pod | None, new: Pod | None) -> None:
        if self._queue is not None and new is not None and self._waiting(new.key) is not None:
            self._queue.add(new.key)

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if self._queue is None or new is None or new.spec.volume_name or new.selected_node:
            return
        # Whoever makes storage and gave the node up is not to be asked again at once.
        given_up = old is not None and old.selected_node is not None
        for pod in self._pods.by("claim", new.key):
            if self._waiting(pod.key) is not None:
                self._queue.add_after(pod.key, AGAIN_SECONDS if given_up else 0.0)
