"""The bind verb: decide anew for the one node, make the volumes ready, put the pod there.

An attempt outlives the call that started it: a caller that hangs up or is told to come back finds it further on. A
caller that was told "not yet" is not surprised by a binding later: the volumes are made ready, and the pod is put on
the node by the next call, for the scheduler counts the pod as unplaced until then.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from extender.changes import Changes
from extender.filters import concern, evaluate
from extender.lessons import Lessons
from extender.masks import bit
from extender.plan import Plan
from extender.progress import Lost, pending
from extender.reservations import Held, Reservations
from extender.slots import SlotError, Slots, slots_once_bound
from extender.snapshot import Snapshot
from extender.stores import Store
from extender.verdict import EvaluationError, Reason
from extender.wire import ExtenderBindingArgs
from extender.writes import Writer
from kube.errors import Conflict, KubeError, NotFound, ServerTimeout, Unreachable
from model.resources import ObjectT
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod
from storage.limits import overfull

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
"""Progress is looked at upon every change of the objects concerned, and this often in any case."""

_CANCELLED: Final = "the extender is shutting down, or binds the pod elsewhere"


class AssumingStore(Store[ObjectT], Protocol[ObjectT]):
    """A store that can be told of our own write before its watch shows it."""

    def assume(self, obj: ObjectT) -> None:
        """Show this object until the watch shows it or a newer one."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The pod can not be bound by this call; the message says why."""


@dataclass(frozen=True)
class BindLimits:
    """How long binding may take, in seconds."""

    answer: float = 50.0
    """Until a call is answered. Must be below the scheduler's httpTimeout for the extender."""
    volumes: float = 600.0
    """Until an attempt gives its volumes up, as bindTimeoutSeconds of VolumeBindingArgs."""
    seen: float = 60.0
    """Until the pod's place is no longer held for it, if the watch never shows that it has taken it."""


@dataclass
class Attempt:
    """One pod on its way to one node, whoever asks for it."""

    args: ExtenderBindingArgs
    answer: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """"" once the pod is bound, else why it is not."""
    task: asyncio.Task[None] | None = None
    callers: int = 0
    turned_away: bool = False
    """Whether the last caller was told "not yet", so that the scheduler counts the pod as unplaced."""
    waiting_for: str = "its turn"
    binding: bool = False
    """Whether the pod is being put on the node: nobody can be told "not yet" any more."""
    seen: bool = False
    """Whether the cache has shown the very pod: only then is one that it does not show gone."""


class Binder:
    """The attempts under way."""

    def __init__(
        self,
        snapshot: Snapshot,
        reservations: Reservations,
        changes: Changes,
        writer: Writer,
        *,
        pods: Store[Pod],
        claims: AssumingStore[PersistentVolumeClaim],
        volumes: AssumingStore[PersistentVolume],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        limits: BindLimits,
        lessons: Lessons,
    ) -> None:
        """The stores are those beneath the reservations; `spawn` starts a task in the owner's group."""
        self._snapshot = snapshot
        self._reservations = reservations
        self._changes = changes
        self._writer = writer
        self._pods = pods
        self._claims = claims
        self._volumes = volumes
        self._spawn = spawn
        self._limits = limits
        self._lessons = lessons
        self._attempts: dict[str, Attempt] = {}

    @property
    def under_way(self) -> int:
        """How many attempts there are."""
        return len(self._attempts)

    async def bind(self, args: ExtenderBindingArgs) -> str:
        """Bind the pod to the node; "" when it is bound, else why not. To be called again until it is."""
        attempt = await self._join(args)
        attempt.callers += 1
        attempt.turned_away = False
        try:
            async with asyncio.timeout(self._limits.answer):
                return await asyncio.shield(attempt.answer)
        except TimeoutError:
            if attempt.binding:
                return await asyncio.shield(attempt.answer)
            attempt.turned_away = attempt.callers == 1
            return f"binding volumes: still waiting for {attempt.waiting_for}; the next attempt goes on from there"
        finally:
            attempt.callers -= 1

    async def _join(self, args: ExtenderBindingArgs) -> Attempt:
        """The attempt for these arguments. One for another node or another pod of the name gives way."""
        key = f"{args.pod_namespace}/{args.pod_name}"
        while (running := self._attempts.get(key)) is not None and running.args != args and not running.answer.done():
            assert running.task is not None
            running.task.cancel()
            await asyncio.wait([running.task])
        if running is not None and running.args == args:
            return running
        attempt = self._attempts[key] = Attempt(args)
        attempt.task = self._spawn(self._run(key, attempt))
        # One that is cancelled before its first step runs none of its code.
        attempt.task.add_done_callback(lambda _task: self._end(key, attempt, _CANCELLED))
        return attempt

    async def _run(self, key: str, attempt: Attempt) -> None:
        error = _CANCELLED
        try:
            async with asyncio.timeout(self._limits.volumes):
                await self._place(attempt)
            error = ""
        except (Refused, Lost, EvaluationError) as refusal:
            error = str(refusal)
        except TimeoutError:
            error = f"binding volumes: gave up waiting for {attempt.waiting_for} after {self._limits.volumes:g} s"
        except KubeError as fault:
            error = f"binding volumes: {fault}"
        except Exception:  # the last guard: one pod's fault must not end the others' attempts
            log.exception("bind failed", pod=key, node=attempt.args.node)
            error = "binding volumes: internal error, see the extender's log"
        finally:
            self._end(key, attempt, error)

    def _end(self, key: str, attempt: Attempt, error: str) -> None:
        if self._attempts.get(key) is attempt:
            del self._attempts[key]
        if not attempt.answer.done():
            attempt.answer.set_result(error)

    async def _place(self, attempt: Attempt) -> None:
        args = attempt.args
        pod = await self._pod(args)
        attempt.seen = self._shown(pod) is not None
        if pod.spec.node_name:
            return _must_be_on(args.node, pod)
        # From here to the reservation nothing waits: two attempts can not choose the same volume, slot or claim.
        plan, taken = self._decide(pod, args.node)
        with self._reservations.hold(pod, plan, args.node, self._snapshot.slots, taken) as held:
            await self._until_ready(attempt, pod, await self._write(plan, args.node, held))
            if attempt.turned_away:
                raise Refused("the volumes are ready; the next attempt binds the pod")
            attempt.binding = True
            await self._bind(pod, args.node)
            attempt.answer.set_result("")
            await self._until_seen(attempt, pod)
        return None

    async def _pod(self, args: ExtenderBindingArgs) -> Pod:
        """The very pod that the scheduler means, from the cache if that has it."""
        pod = self._pods.get(f"{args.pod_namespace}/{args.pod_name}")
        if pod is None or pod.uid != args.pod_uid:
            try:
                pod = await self._writer.pod(args.pod_namespace, args.pod_name)
            except NotFound:
                raise Refused(f'pod does not exist any more: pod "{args.pod_name}" not found') from None
        if pod.uid != args.pod_uid:
            raise Refused(f"pod {pod.key} has uid {pod.uid}, not {args.pod_uid}: it was deleted and made anew")
        return pod

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

    async def _write(self, plan: Plan, node: str, held: Held) -> Plan:
        """Volumes first, then claims; the plan with what the server answered. What is written already is left alone."""
        matches, provisions = [], []
        for match in plan.matches:
            volume = match.volume
            if volume.spec.claim_ref is None or volume.spec.claim_ref.uid != match.claim.uid:
                volume = await self._writer.reserve(volume, match.claim)
                self._volumes.assume(volume)
            self._reservations.volumes.release(held.volumes[volume.key])
            matches.append(match.with_volume(volume))
        # A claim that two of the pod's volumes name is there twice.
        for provision in {each.claim.key: each for each in plan.provisions}.values():
            claim = provision.claim
            if claim.selected_node != node:
                claim = await self._writer.select_node(claim, node)
                self._claims.assume(claim)
            self._reservations.claims.release(held.claims[claim.key])
            provisions.append(provision.with_claim(claim))
        return Plan(tuple(matches), tuple(provisions))

    async def _until_ready(self, attempt: Attempt, pod: Pod, plan: Plan) -> None:
        node = attempt.args.node
        objects = [
            f"nodes/{node}",
            f"pods/{pod.key}",
            *(f"claims/{match.claim.key}" for match in plan.matches),
            *(f"volumes/{match.volume.key}" for match in plan.matches),
            *(f"claims/{provision.claim.key}" for provision in plan.provisions),
        ]
        with self._changes.watching(objects) as changed:
            while (wait := pending(plan, node, self._snapshot)) is not None:
                attempt.waiting_for = wait
                if self._is_gone(attempt, pod):
                    raise Lost(f'pod does not exist any more: pod "{pod.name}" not found')
                await changed.wait(POLL_SECONDS)

    async def _bind(self, pod: Pod, node: str) -> None:
        try:
            await self._writer.bind(pod, node)
        except (Conflict, ServerTimeout, Unreachable) as fault:
            # Refused, or no word of the outcome: what the pod says now is what counts.
            now = await self._writer.pod(pod.namespace, pod.name)
            if now.uid != pod.uid or now.spec.node_name != node:
                raise Refused(f"binding pod {pod.key}: {fault}") from fault
        log.info("pod bound", namespace=pod.namespace, pod=pod.name, node=node)

    async def _until_seen(self, attempt: Attempt, pod: Pod) -> None:
        """Hold the pod's place until the cache shows that it has taken it, or that it is gone."""
        if not concern(pod):
            return
        try:
            async with asyncio.timeout(self._limits.seen):
                with self._changes.watching([f"pods/{pod.key}"]) as changed:
                    while not (self._is_gone(attempt, pod) or self._is_placed(pod)):
                        await changed.wait(POLL_SECONDS)
        except TimeoutError:
            log.warning("bound pod not seen", namespace=pod.namespace, pod=pod.name, seconds=self._limits.seen)

    def _is_gone(self, attempt: Attempt, pod: Pod) -> bool:
        shown = self._shown(pod) is not None
        attempt.seen |= shown
        return attempt.seen and not shown

    def _is_placed(self, pod: Pod) -> bool:
        shown = self._shown(pod)
        return shown is not None and bool(shown.spec.node_name)

    def _shown(self, pod: Pod) -> Pod | None:
        """The very pod as the cache shows it, not one of its name from before or after."""
        shown = self._pods.get(pod.key)
        return shown if shown is not None and shown.uid == pod.uid else None


def _must_be_on(node: str, pod: Pod) -> None:
    if pod.spec.node_name != node:
        raise Refused(f"pod {pod.key} is already bound to node {pod.spec.node_name}")
