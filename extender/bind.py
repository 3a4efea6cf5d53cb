"""The bind verb: decide anew for the one node, make the volumes ready, put the pod there.

An attempt outlives the call that started it: a caller that hangs up or is told to come back finds it further on. A
caller that was told "not yet" is not surprised by a binding later: the volumes are made ready, and the pod is put on
the node by the next call, for the scheduler counts the pod as unplaced until then.

What an attempt holds it lets go of only when nothing that it wrote can come true any more without being seen.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from extender.changes import Changed, Changes
from extender.filters import concern
from extender.obtaining import POLL_SECONDS, Obtaining, Refused
from extender.plan import Plan
from extender.progress import Lost, pending
from extender.settled import is_in_doubt, unbroken
from extender.snapshot import Snapshot
from extender.stores import Store
from extender.verdict import EvaluationError
from extender.wire import ExtenderBindingArgs
from extender.writes import Writer
from kube.errors import Conflict, KubeError, NotFound
from model.workloads import Pod

log = structlog.get_logger()

_CANCELLED: Final = "the extender is shutting down"
_ELSEWHERE: Final = "the pod is to be bound elsewhere"


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
    bound: bool = False
    """Whether it is on the node, which the cache may not show yet."""
    gives_way: bool = False
    """Whether it is to end, because the pod is to go elsewhere."""
    waits: Changed | None = None
    """What it waits for while its volumes are made ready."""
    seen: bool = False
    """Whether the cache has shown the very pod: only then is one that it does not show gone."""

    def give_way(self) -> None:
        """End where nothing is in doubt: as soon as the write that is under way is settled."""
        self.gives_way = True
        if self.waits is not None:
            self.waits.mark()

    def check(self) -> None:
        """Raises Refused where it is to end."""
        if self.gives_way:
            raise Refused(_ELSEWHERE)


class Binder:
    """The attempts under way."""

    def __init__(
        self,
        snapshot: Snapshot,
        obtaining: Obtaining,
        changes: Changes,
        writer: Writer,
        *,
        pods: Store[Pod],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        limits: BindLimits,
    ) -> None:
        """`pods` are those beneath the reservations; `spawn` starts a task in the owner's group."""
        self._snapshot = snapshot
        self._obtaining = obtaining
        self._changes = changes
        self._writer = writer
        self._pods = pods
        self._spawn = spawn
        self._limits = limits
        self._attempts: dict[str, Attempt] = {}

    @property
    def under_way(self) -> int:
        """How many attempts there are."""
        return len(self._attempts)

    async def bind(self, args: ExtenderBindingArgs) -> str:
        """Bind the pod to the node; "" when it is bound, else why not. To be called again until it is."""
        attempt: Attempt | None = None
        try:
            async with asyncio.timeout(self._limits.answer):
                attempt = await self._join(args)
                attempt.callers += 1
                attempt.turned_away = False
                return await asyncio.shield(attempt.answer)
        except Refused as refusal:
            return str(refusal)
        except TimeoutError:
            if attempt is None:
                return "binding volumes: still waiting for the attempt to bind the pod elsewhere to end"
            if attempt.binding:
                return await asyncio.shield(attempt.answer)
            attempt.turned_away = attempt.callers == 1
            return f"binding volumes: still waiting for {attempt.waiting_for}; the next attempt goes on from there"
        finally:
            if attempt is not None:
                attempt.callers -= 1

    async def _join(self, args: ExtenderBindingArgs) -> Attempt:
        """The attempt for these arguments. One for another node or another pod of the name gives way."""
        key = f"{args.pod_namespace}/{args.pod_name}"
        while (running := self._attempts.get(key)) is not None and running.args != args and not running.answer.done():
            running.give_way()
            await asyncio.wait([running.answer])
        if running is not None and running.args == args:
            return running
        if running is not None and running.bound and running.args.pod_uid == args.pod_uid:
            raise Refused(f"pod {key} is already bound to node {running.args.node}")
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
        attempt.check()
        if pod.spec.node_name:
            return _must_be_on(args.node, pod)
        # From here to the reservation nothing waits: two attempts can not choose the same volume, slot or claim.
        with self._obtaining.held(pod, args.node) as (plan, held):
            await self._until_ready(attempt, pod, await self._obtaining.write(plan, args.node, held, attempt.check))
            if attempt.turned_away:
                raise Refused("the volumes are ready; the next attempt binds the pod")
            attempt.binding = True
            await unbroken(self._bind(attempt, pod))
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

    async def _until_ready(self, attempt: Attempt, pod: Pod, plan: Plan) -> None:
        node = attempt.args.node
        objects = [
            f"nodes/{node}",
            f"pods/{pod.key}",
            *(f"claims/{match.claim.key}" for match in plan.matches),
            *(f"volumes/{match.volume.key}" for match in plan.matches),
            *(f"claims/{provision.claim.key}" for provision in plan.provisions),
        ]
        with self._changes.watching(objects) as attempt.waits:
            while (wait := pending(plan, node, self._snapshot)) is not None:
                attempt.waiting_for = wait
                attempt.check()
                if self._is_gone(attempt, pod):
                    raise Lost(f'pod does not exist any more: pod "{pod.name}" not found')
                await attempt.waits.wait(POLL_SECONDS)
        attempt.check()

    async def _bind(self, attempt: Attempt, pod: Pod) -> None:
        """Put the pod on the node, again until it is known to be there or not to be: its place is held meanwhile."""
        node, doubtful = attempt.args.node, False
        while not attempt.bound:
            try:
                await self._writer.bind(pod, node)
                attempt.bound = True
            except KubeError as fault:
                doubtful |= is_in_doubt(fault)
                if not (doubtful or isinstance(fault, Conflict)):
                    raise
                attempt.bound = await self._is_on(node, pod, fault)
                if not attempt.bound:
                    await asyncio.sleep(POLL_SECONDS)
        log.info("pod bound", namespace=pod.namespace, pod=pod.name, node=node)

    async def _is_on(self, node: str, pod: Pod, fault: KubeError) -> bool:
        """Whether the server has the pod on the node, as far as it says; Refused where the pod will not come there."""
        try:
            now = await self._writer.pod(pod.namespace, pod.name)
        except NotFound:
            raise Refused(f'pod does not exist any more: pod "{pod.name}" not found') from fault
        except KubeError:
            return False
        if now.uid == pod.uid and now.spec.node_name == node:
            return True
        # A server that refuses for what the pod is by now refuses what is still on its way for the same.
        if now.uid != pod.uid or now.spec.node_name or isinstance(fault, Conflict):
            raise Refused(f"binding pod {pod.key}: {fault}") from fault
        return False

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
