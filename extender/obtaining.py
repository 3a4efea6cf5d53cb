"""Storage for one pod on one node: what it is to be, holding it, and asking for it.

Deciding and holding are one step, in which nothing waits: two pods can not choose the same volume, slot or claim.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from extender.changes import Changes
from extender.filters import evaluate
from extender.lessons import Lessons
from extender.masks import bit
from extender.plan import Plan
from extender.reservations import Held, Reservations
from extender.settled import is_in_doubt, unbroken
from extender.slots import SlotError, Slots, slots_once_bound
from extender.snapshot import Snapshot
from extender.stores import Store
from extender.verdict import Reason
from extender.writes import Writer
from kube.errors import Conflict, KubeError
from model.resources import ObjectT
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod
from storage.limits import overfull

POLL_SECONDS: Final = 1.0
"""What is waited for is looked at upon every change of the objects concerned, and this often in any case."""
SEEN_SECONDS: Final = 60.0
"""How long a claim is waited for to say whether it heard a wish."""


class AssumingStore(Store[ObjectT], Protocol[ObjectT]):
    """A store that can be told of our own write before its watch shows it."""

    def assume(self, obj: ObjectT) -> None:
        """Show this object until the watch shows it or a newer one."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The pod can not have its storage there, or not now; the message says why."""


class Obtaining:
    """Decides, holds and writes."""

    def __init__(
        self,
        snapshot: Snapshot,
        reservations: Reservations,
        changes: Changes,
        writer: Writer,
        *,
        claims: AssumingStore[PersistentVolumeClaim],
        volumes: AssumingStore[PersistentVolume],
        lessons: Lessons,
    ) -> None:
        """The stores are those beneath the reservations."""
        self._snapshot = snapshot
        self._reservations = reservations
        self._changes = changes
        self._writer = writer
        self._claims = claims
        self._volumes = volumes
        self._lessons = lessons

    @contextmanager
    def held(self, pod: Pod, node: str) -> Iterator[tuple[Plan, Held]]:
        """Decide anew for this node, and hold what was chosen while the block runs.

        Raises:
            Refused: the pod can not have it there.
            EvaluationError: the pod, or the node, can not be judged.
        """
        plan, taken = self._decide(pod, node)
        with self._reservations.hold(pod, plan, node, self._snapshot.slots, taken) as held:
            yield plan, held

    def _decide(self, pod: Pod, node: str) -> tuple[Plan, Slots]:
        """All filters anew, for this node: the state has moved since they were asked. And the slots that it takes."""
        position = self._snapshot.nodes.position.get(node)
        if position is None:
            raise Refused(f'node "{node}" not found')
        verdicts = evaluate(pod, self._snapshot, bit(position))
        if not verdicts.feasible:
            raise Refused("the volumes no longer fit: " + ", ".join(each.message for each in verdicts.groups()))
        plan = verdicts.plan.on(bit(position))
        return plan, self._slots(pod, plan, node)

    def _slots(self, pod: Pod, plan: Plan, node: str) -> Slots:
        """What the pod takes with the very volumes that were chosen: filters know only the class of their claims."""
        slots = self._snapshot.slots
        held = slots.on(node)
        try:
            taken = slots_once_bound(pod, plan, self._snapshot.stores, migrated=slots.has_csi_node(node))
        except SlotError:
            return {}  # only where no driver has a limit, or a filter had complained
        new = {key: driver for key, driver in taken.items() if key not in held.present}
        if over := overfull(held.limits, held.taken, new):
            self._lessons.learn(pod, node, over[0].driver)
            raise Refused(
                f"the volumes chosen do not fit: {Reason.MAX_VOLUME_COUNT} ({over[0].used} of {over[0].limit} slots of "
                f"driver {over[0].driver} are taken, {over[0].wanted} wanted)"
            )
        return taken

    async def write(self, plan: Plan, node: str, held: Held, check: Callable[[], None]) -> Plan:
        """Volumes first, then claims; the plan with what the server answered. What is written already is left alone.

        `check` is called before each write: it raises where no other is to be made.
        """
        matches, provisions = [], []
        for match in plan.matches:
            volume = match.volume
            if volume.spec.claim_ref is None or volume.spec.claim_ref.uid != match.claim.uid:
                check()
                volume = await unbroken(self._reserve(volume, match.claim))
            self._reservations.volumes.release(held.volumes[volume.key])
            matches.append(match.with_volume(volume))
        # A claim that two of the pod's volumes name is there twice.
        for provision in {each.claim.key: each for each in plan.provisions}.values():
            claim = provision.claim
            if claim.selected_node != node:
                check()
                claim = await unbroken(self._select(claim, node))
            self._reservations.claims.release(held.claims[claim.key])
            provisions.append(provision.with_claim(claim))
        return Plan(tuple(matches), tuple(provisions))

    async def _reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        written = await self._writer.reserve(volume, claim)
        self._volumes.assume(written)
        return written

    async def _select(self, claim: PersistentVolumeClaim, node: str) -> PersistentVolumeClaim:
        """Ask for the claim's volume, until it is known whether that was heard: what the claim says next tells.

        A volume that may be made although nobody counts it would overbook its pool.
        """
        ends, doubtful = asyncio.get_running_loop().time() + SEEN_SECONDS, False
        with self._changes.watching([f"claims/{claim.key}"]) as changed:
            while True:
                try:
                    written = await self._writer.select_node(claim, node)
                except KubeError as fault:
                    # A write that is sent again after its answer was lost conflicts with itself.
                    doubtful |= is_in_doubt(fault) or isinstance(fault, Conflict)
                    if not doubtful:
                        raise
                    await changed.wait(POLL_SECONDS)
                    now = self._claims.get(claim.key)
                    if now is not None and now.metadata.resource_version != claim.metadata.resource_version:
                        if now.uid == claim.uid and now.selected_node == node:
                            return now
                        raise
                    if now is None or asyncio.get_running_loop().time() >= ends:
                        raise
                else:
                    self._claims.assume(written)
                    return written
