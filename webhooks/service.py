"""`/mutate` and `/validate`: AdmissionReview v1 over HTTPS.

Trouble of our own is an HTTP error, never a refusal: then failurePolicy decides, and an outage of Lading does not
stop the cluster's storage.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from kube.caches import Caches
from kube.client import Client
from kube.errors import KubeError
from serving.http import JSON_TYPES, json_response, read_json
from webhooks.facts import ClusterFacts, FactsSource
from webhooks.metrics import WebhookMetrics
from webhooks.rules import select
from webhooks.rules.evaluate import Verdict, evaluate, needs
from webhooks.rules.policy import Policy
from webhooks.rules.rule import Phase, Review, Rule
from webhooks.wire import AdmissionRequest, AdmissionReview, ReviewError, answer, read, request_of

log = structlog.get_logger()

TIMEOUT_SECONDS: Final = 3
"""What the registration asks of the API server."""
DEADLINE_SECONDS: Final = 2.5
"""By when an answer is given: before the server hangs up, so that it learns why."""
PATHS: Final = {Phase.MUTATE: "/mutate", Phase.VALIDATE: "/validate"}


def webhooks(
    client: Client,
    caches: Caches,
    registry: CollectorRegistry,
    *,
    rules: Sequence[Rule] | None = None,
    policy: Policy | None = None,
) -> "Webhooks":
    """The webhooks over a cluster; `caches` holds at least those of `facts.CACHED`."""
    return Webhooks(select() if rules is None else rules, ClusterFacts(client, caches, policy), registry)


class Webhooks:
    """The rules of one process behind their two paths. There is nothing to run: the caches are their owner's."""

    def __init__(
        self,
        rules: Sequence[Rule],
        source: FactsSource,
        registry: CollectorRegistry,
    ) -> None:
        self._rules = rules
        self._source = source
        self._metrics = WebhookMetrics(registry, rules)

    def routes(self) -> list[web.RouteDef]:
        """The routes to put on a server."""
        return [web.post(PATHS[Phase.MUTATE], self._mutate), web.post(PATHS[Phase.VALIDATE], self._validate)]

    def complaint(self) -> str | None:
        """Why the webhooks are not ready; None when they are."""
        return self._source.complaint()

    async def _mutate(self, request: web.Request) -> web.Response:
        return await self._answer(request, Phase.MUTATE)

    async def _validate(self, request: web.Request) -> web.Response:
        return await self._answer(request, Phase.VALIDATE)

    async def _answer(self, http: web.Request, phase: Phase) -> web.Response:
        with self._metrics.review(phase) as decided:
            body = await read_json(http, AdmissionReview, content_types=JSON_TYPES)
            try:
                request = request_of(body)
                review = read(request)
            except ReviewError as error:
                raise web.HTTPBadRequest(text=str(error)) from error
            verdict = None if review is None else await self._decide(phase, review, _seconds_left(http))
            decided(verdict)
        _record(request, phase, verdict)
        return json_response(answer(request, phase, verdict))

    async def _decide(self, phase: Phase, review: Review[Any], seconds: float) -> Verdict:
        facts = self._source.now()
        if review.terminating:
            return evaluate(phase, (), review, facts)
        complaint = self._source.complaint()
        if complaint is not None:
            raise web.HTTPInternalServerError(text=f"can not decide now: {complaint}")
        wanted = needs(phase, self._rules, review, facts)
        if wanted:
            try:
                async with asyncio.timeout(seconds):
                    facts = await self._source.confirmed(wanted)
            except (KubeError, TimeoutError) as error:
                raise web.HTTPInternalServerError(text=f"can not decide now: a look-up failed: {error}") from error
        return evaluate(phase, self._rules, review, facts)


def _seconds_left(http: web.Request) -> float:
    """How long the API server will wait for the answer (it says so in the query), less the way back."""
    said = re.fullmatch(r"([0-9]{1,2})s", http.query.get("timeout", ""))
    return min(DEADLINE_SECONDS, 0.8 * int(said[1])) if said else DEADLINE_SECONDS


def _record(request: AdmissionRequest, phase: Phase, verdict: Verdict | None) -> None:
    if verdict is None or not verdict.findings:
        return
    facts = {"kind": request.kind.kind, "namespace": request.namespace, "name": request.name, "rules": verdict.rules}
    if verdict.denials:
        log.info("request denied", phase=phase, **facts, message=[each.message for each in verdict.denials])
    else:
        log.info(
            "object normalized" if verdict.patch else "client warned", phase=phase, dry_run=request.dry_run, **facts
        )
