"""The extender's HTTP side: it reads calls, asks the pure filters, and answers on the wire.

Nothing is answered from caches that are not whole: 503, and the scheduler tries again. What is wrong with the pod or
the nodes is an answer of status 200, what is wrong with the request is a 4xx.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any, Final, NoReturn, TypeVar

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from extender import wire
from extender.adopt import Adopter
from extender.announce import Announcer
from extender.answer import Answer, Answers
from extender.asked import PATH as EXPLAIN
from extender.asked import Asked
from extender.bind import Binder, BindLimits
from extender.cached import snapshot_over
from extender.changes import Changes
from extender.decisions import Decision, Decisions
from extender.filters import FILTERS, concern, evaluate
from extender.gate import ANSWER_SECONDS, BYTES_AT_ONCE, Gate
from extender.heal import Healer
from extender.lessons import Lessons
from extender.metrics import Metrics
from extender.obtaining import Obtaining
from extender.preempt import preempt
from extender.reservations import Reservations
from extender.scores import prioritize
from extender.second_look import SecondLook
from extender.snapshot import SERVED_RULES, Rules
from extender.takeover import age_seconds, caught_up
from extender.verdict import EvaluationError, Reason, Verdicts
from extender.why import why
from extender.wire import Candidates, ExtenderBindingArgs, ExtenderPreemptionArgs, WireError
from extender.writes import ApiWriter, Writer
from kube.caches import Caches
from kube.client import Client
from kube.events import EventRecorder
from kube.times import now
from model.resources import BUDGETS, CLAIMS
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod
from serving.http import decode_json, decoded, json_body, json_response, read_body

log = structlog.get_logger()
T = TypeVar("T")

COUNTED_AT_ONCE: Final = 50
"""Nodes whose slots are counted before the loop turns to others, at the start: a few milliseconds."""

MANY: Final = 8
"""The part of the nodes that is many is one of so many."""


WATCHED: Final = (
    "pods",
    "nodes",
    "claims",
    "volumes",
    "classes",
    "csi_nodes",
    "csi_drivers",
    "capacities",
    "attachments",
)
"""The caches whose changes may make room, or end a wait."""


@dataclass(frozen=True)
class ExtenderSettings:
    """What may differ between clusters."""

    bind: BindLimits = field(default_factory=BindLimits)
    rules: Rules = SERVED_RULES
    bytes_at_once: int = BYTES_AT_ONCE
    """Bytes of bodies that are read at once; who brings more is told to come again."""
    answer_seconds: float = ANSWER_SECONDS
    """The scheduler's httpTimeout, where it is shorter than that of bind: later than this nothing is judged."""
    heals: bool = True
    """Whether claims pinned to a node that is gone are freed: where the extender binds, nobody else does it."""
    adopts: bool = False
    """Whether storage is asked for pods that name their node themselves: as with healing, nobody else does it."""
    takes_over: bool = False
    """Whether others may have bound until it runs, so that its caches must have caught up with what they wrote."""


def extender(
    client: Client,
    caches: Caches,
    registry: CollectorRegistry,
    *,
    recorder: EventRecorder | None = None,
    settings: ExtenderSettings = ExtenderSettings(),
) -> "Extender":
    """The extender over the API; `recorder` tells of claims that were freed."""
    ready = partial(caught_up, client, caches) if settings.takes_over else caches.wait_synced
    return Extender(caches, ApiWriter(client), registry, recorder=recorder, settings=settings, ready=ready)


class Extender:
    """Routes, background work and readiness of the extender. The caches are run by their owner."""

    def __init__(
        self,
        caches: Caches,
        writer: Writer,
        registry: CollectorRegistry,
        *,
        recorder: EventRecorder | None = None,
        settings: ExtenderSettings = ExtenderSettings(),
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`ready` returns once the caches, which are whole, may be relied on."""
        self._caches = caches
        self._ready = ready or caches.wait_synced
        self._runs = False
        self._recorder = recorder
        self._settings = settings
        self._metrics = Metrics(registry, FILTERS)
        self._group: asyncio.TaskGroup | None = None
        reservations = Reservations(caches.pods, caches.claims, caches.volumes)
        self._snapshot = snapshot_over(caches, reservations, settings.rules, monotonic)
        changes = Changes()
        for kind in WATCHED:
            getattr(caches, kind).subscribe(changes.handler(kind))
        self._second_look = SecondLook(changes, monotonic)
        self._lessons = Lessons(monotonic)
        obtaining = Obtaining(
            self._snapshot,
            reservations,
            changes,
            writer,
            claims=caches.claims,
            volumes=caches.volumes,
            lessons=self._lessons,
        )
        self._binder = Binder(
            self._snapshot,
            obtaining,
            changes,
            writer,
            pods=caches.pods,
            spawn=self._spawn,
            limits=settings.bind,
        )
        self._gate = Gate(settings.bytes_at_once, settings.answer_seconds)
        self._answers = Answers(self._snapshot.nodes)
        self._decisions = Decisions()
        self._asked = Asked(self._snapshot, caches.pods, self._decisions)
        self._announcer = Announcer(recorder)
        self._healer = Healer(self._snapshot, writer, self._spawn, self._on_healed)
        self._adopter = Adopter(
            self._snapshot, obtaining, self._healer, self._announcer, pods=caches.pods, claims=caches.claims
        )
        self._metrics.attempts.set_function(lambda: self._binder.under_way)
        self._metrics.ledger_claims.set_function(lambda: self._snapshot.ledger.unreported)
        self._metrics.ledger_age.set_function(lambda: self._snapshot.ledger.oldest_seconds)

    # --- for the composition ---

    def routes(self) -> list[web.RouteDef]:
        """The verbs."""
        return [
            web.post("/filter", self._on_filter),
            web.post("/prioritize", self._on_prioritize),
            web.post("/preempt", self._on_preempt),
            web.post("/bind", self._on_bind),
            web.get(EXPLAIN, self._on_explain),
            web.post(EXPLAIN, self._on_explain),
        ]

    async def run(self) -> NoReturn:
        """Own the attempts to bind, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._runs = True
            try:
                await self._caches.wait_synced()
                await self._ready()
                self._snapshot.ledger.recall(partial(age_seconds, datetime.now(UTC)))
                self._group = group
                while self.stale:
                    self._snapshot.slots.refresh(COUNTED_AT_ONCE)
                    await asyncio.sleep(0)
                if self._settings.adopts:
                    group.create_task(self._adopter.run())
                await asyncio.Event().wait()
            finally:
                self._group, self._runs = None, False
        raise AssertionError("the extender runs until cancelled")

    def complaint(self) -> str | None:
        """Why no call can be answered now; None when they can."""
        if not self._runs:
            return "not running"
        behind = "the caches are behind" if self._group is None else None
        return self._caches.complaint() or behind

    @property
    def stale(self) -> int:
        """How many nodes' slots are to be counted anew before the next answer."""
        return self._snapshot.slots.stale

    def count(self) -> None:
        """Count them now, as the next call would."""
        self._snapshot.slots.refresh()

    def why(self, pod: Pod) -> str:
        """In one sentence: on which of all nodes the pod's volumes let it run, and what keeps it off the others."""
        try:
            return why(evaluate(pod, self._snapshot, self._snapshot.nodes.all), self._snapshot)
        except EvaluationError as error:
            return str(error)

    # --- the verbs ---

    async def _on_filter(self, request: web.Request) -> web.Response:
        with self._metrics.call("filter"):
            pod, asked = await self._candidates(request, "filter", concern)
            if not concern(pod):
                self._metrics.result("filter", "success")
                self._metrics.judged(asked.count, 0, 0, {})
                return json_body(wire.filter_result(asked))
            try:
                look = partial(self._filtered, pod, asked)
                verdicts, found = await self._second_look.taken(look(), look, _is_hopeful)
            except EvaluationError as error:
                self._metrics.result("filter", "error")
                log.warning("pod not judged", namespace=pod.namespace, pod=pod.name, error=str(error))
                self._decisions.record(pod.key, Decision(now(), "filter", pod.uid, f"can not be judged: {error}"))
                return json_body(wire.filter_error(asked, str(error)))
            # What is noted is for others: the scheduler need not wait for it.
            asyncio.get_running_loop().call_soon(self._decided, pod, verdicts, asked.names, found)
            return json_body(found.body)

    async def _on_prioritize(self, request: web.Request) -> web.Response:
        with self._metrics.call("prioritize"):
            pod, asked = await self._candidates(request, "prioritize", lambda _: True)
            scores = dict[str, int]()
            with suppress(EvaluationError), self._metrics.phase("prioritize", "judge"):
                if concern(pod):  # and where it can not be judged the protocol has no word for it: no opinion
                    scores = self._scores(pod, asked.names)
            with self._metrics.phase("prioritize", "answer"):
                hosts = dict[int, list[str]]()
                for name in asked.names:
                    hosts.setdefault(scores.get(name, 0), []).append(name)
                body = wire.priorities(hosts)
            self._metrics.result("prioritize", "success")
            return json_body(body)

    async def _on_preempt(self, request: web.Request) -> web.Response:
        with self._metrics.call("preempt"):
            args = await self._read(request, ExtenderPreemptionArgs, "preempt")
            try:
                budgets = [*self._caches.of(BUDGETS).values()] if BUDGETS in self._caches else []
                chosen = preempt(args.pod, wire.preemption_candidates(args), self._snapshot, budgets)
            except WireError as error:
                self._metrics.result("preempt", "invalid")
                raise web.HTTPBadRequest(text=str(error)) from error
            except EvaluationError as error:
                # The protocol has no word for it: an error of the call ends this attempt, and the next asks again.
                self._metrics.result("preempt", "error")
                raise web.HTTPUnprocessableEntity(text=str(error)) from error
            self._metrics.result("preempt", "success")
            log.info("preemption judged", namespace=args.pod.namespace, pod=args.pod.name, nodes=len(chosen))
            return json_response(wire.preemption_result(chosen))

    async def _on_bind(self, request: web.Request) -> web.Response:
        with self._metrics.call("bind"):
            args = await self._read(request, ExtenderBindingArgs, "bind")
            error = await self._binder.bind(args)
            self._metrics.result("bind", "error" if error else "success")
            key = f"{args.pod_namespace}/{args.pod_name}"
            self._decisions.record(key, Decision(now(), "bind", args.pod_uid, error or f"bound to node {args.node}"))
            if error:
                log.info("pod not bound", namespace=args.pod_namespace, pod=args.pod_name, node=args.node, why=error)
            return json_response(wire.binding_result(error))

    async def _on_explain(self, request: web.Request) -> web.Response:
        with self._metrics.call("explain"):
            self._check_ready("explain")
            try:
                if request.method == "POST":
                    response = await self._asked.about_one_that_may_not_exist(request)
                else:
                    response = self._asked.about_one_of_the_cluster(request)
            except web.HTTPException:
                self._metrics.result("explain", "invalid")
                raise
            self._metrics.result("explain", "success")
            return response

    # --- what they share ---

    def _filtered(self, pod: Pod, asked: Candidates) -> tuple[Verdicts, Answer]:
        with self._metrics.phase("filter", "judge"):
            verdicts = self._lessons.applied(pod, self._judge(pod, asked.names), self._snapshot)
        with self._metrics.phase("filter", "answer"):
            return verdicts, self._answers.of(asked, verdicts)

    def _judge(self, pod: Pod, names: Sequence[str]) -> Verdicts:
        """Verdicts on at least these nodes. Sets of many nodes cost more to make than the others to judge."""
        nodes = self._snapshot.nodes
        if MANY * len(names) > nodes.size:
            with suppress(EvaluationError):  # perhaps for a node that was not asked about
                return evaluate(pod, self._snapshot, nodes.all)
        return evaluate(pod, self._snapshot, nodes.mask_of(names))

    def _scores(self, pod: Pod, names: Sequence[str]) -> dict[str, int]:
        """Those that are not 0, of at least these nodes."""
        scores = dict[str, int]()
        for score, nodes in prioritize(pod, self._judge(pod, names), self._snapshot).items():
            if score:
                scores |= dict.fromkeys(self._snapshot.nodes.names_of(nodes), score)
        return scores

    def _decided(self, pod: Pod, verdicts: Verdicts, names: Sequence[str], found: Answer) -> None:
        """Note what was answered: in metrics, log, events, and for who asks later."""
        self._metrics.result("filter", "success")
        self._metrics.judged(found.feasible, found.failed, found.unresolvable, found.rules)
        if self._settings.heals:
            self._healer.consider(pod.namespace, verdicts.objections)
        log.info(
            "pod filtered", namespace=pod.namespace, pod=pod.name, feasible=found.feasible, rejected=found.rejected
        )
        outcome = f"{found.feasible}/{len(names)} nodes fit"
        if not found.feasible and names:
            here = verdicts.among(self._snapshot.nodes.mask_of(names))
            outcome = why(here, self._snapshot, found.rejected.get(Reason.NODE_UNKNOWN, 0))
            if not (pod.status.nominated_node_name and len(names) == 1):  # the others are asked about next
                self._announcer.no_node_suits(pod, outcome, monotonic())
        counts = found.feasible, len(names), dict(found.rejected)
        self._decisions.record(pod.key, Decision(now(), "filter", pod.uid, outcome, *counts))

    async def _candidates(
        self, request: web.Request, verb: str, needs_names: Callable[[Pod], bool]
    ) -> tuple[Pod, Candidates]:
        body = await self._body(request, verb)
        try:
            with self._metrics.phase(verb, "read"):
                asked = decoded(lambda: wire.read(body, needs_names))
        except WireError as error:
            self._metrics.result(verb, "invalid")
            raise web.HTTPBadRequest(text=str(error)) from error
        except web.HTTPException:
            self._metrics.result(verb, "invalid")
            raise
        self._check_ready(verb)
        return asked

    async def _read(self, request: web.Request, type_: type[T], verb: str) -> T:
        body = await self._body(request, verb)
        try:
            args = decode_json(body, type_)
        except web.HTTPException:
            self._metrics.result(verb, "invalid")
            raise
        self._check_ready(verb)
        return args

    async def _body(self, request: web.Request, verb: str) -> bytes:
        try:
            with self._metrics.phase(verb, "receive"), self._gate.admitted(request):
                return await read_body(request)
        except web.HTTPServiceUnavailable:
            self._metrics.result(verb, "unavailable")
            raise
        except web.HTTPException:
            self._metrics.result(verb, "invalid")
            raise

    def _check_ready(self, verb: str) -> None:
        if why_not := self.complaint():
            self._metrics.result(verb, "unavailable")
            raise web.HTTPServiceUnavailable(text=f"the extender can not answer yet: {why_not}")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._group is None:  # it ended while the call waited
            work.close()
            raise web.HTTPServiceUnavailable(text="the extender is shutting down")
        return self._group.create_task(work)

    def _on_healed(self, claim: PersistentVolumeClaim, node: str) -> None:
        self._metrics.healed.inc()
        if self._recorder is not None:
            message = (
                f"no longer waiting for a volume on node {node or '(none)'}, which is gone: the pod is scheduled anew"
            )
            self._recorder.event(claim, CLAIMS, "Normal", "SelectedNodeCleared", message)


def _is_hopeful(filtered: tuple[Verdicts, Answer]) -> bool:
    """Whether a node suits, or none was asked about."""
    return bool(filtered[1].feasible) or not filtered[1].rejected
