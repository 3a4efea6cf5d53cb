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
from webhooks.rules.evaluate import Verdict, evaluate, needs
from webhooks.rules.rule import Phase, Review, Rule
from webhooks.settings import Settings
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
    settings: Settings | None = None,
) -> "Webhooks":
    """The webhooks over a cluster; `caches` holds at least those of the settings."""
    settings = settings or Settings()
    return Webhooks(settings, ClusterFacts(client, caches, settings.policy), registry)


class Webhooks:
    """The rules of one process behind their two paths. There is nothing to run: the caches are their owner's."""

    def __init__(
        self,
        settings: Settings,
        source: FactsSource,
        registry: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._source = source
        self._metrics = WebhookMetrics(registry, settings.all_rules)

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
        if review.terminating:
            return evaluate(phase, (), review, self._source.now())
        complaint = self._source.complaint()
        if complaint is not None:
            raise web.HTTPInternalServerError(text=f"can not decide now: {complaint}")
        try:
            async with asyncio.timeout(seconds):
                rules = await self._rules_for(review)
                wanted = needs(phase, rules, review, self._source.now())
                facts = await self._source.confirmed(wanted) if wanted else self._source.now()
        except (KubeError, TimeoutError) as error:
            raise web.HTTPInternalServerError(text=f"can not decide now: a look-up failed: {error}") from error
        return evaluate(phase, rules, review, facts)

    async def _rules_for(self, review: Review[Any]) -> Sequence[Rule]:
        """The rules for this object's namespace."""
        if not (self._settings.looks_at_namespaces and review.subject.namespace):
            return self._settings.rules
        return self._settings.rules_for(await self._source.namespace_labels(review.subject.namespace))


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
