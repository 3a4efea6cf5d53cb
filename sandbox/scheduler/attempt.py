"""One attempt to place a pod: the scheduler's own checks, then the extenders, as kube-scheduler calls them."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from model.meta import JSON
from sandbox.scheduler import preemption
from sandbox.scheduler.checks import Objection, objection
from sandbox.scheduler.cluster import Cluster
from sandbox.scheduler.diagnosis import Diagnosis, Scores, choose
from sandbox.scheduler.extender import Extender, ExtenderError
from sandbox.scheduler.preemption import Victims
from sandbox.scheduler.resources import Usage, requests_of
from sandbox.scheduler.views import Node, Pod
from sandbox.store import Store

log = structlog.get_logger()


@dataclass(frozen=True)
class Refusal:
    """No node. `nominated` is where the victims make room, "" for nowhere, None for where that was decided before."""

    message: str
    nominated: str | None = None
    victims: Victims = ()


class Attempts:
    """See the module. Extenders are shown the objects themselves, out of the store."""

    def __init__(self, store: Store, cluster: Cluster, extenders: Sequence[Extender], ignored: frozenset[str]) -> None:
        self._store, self._cluster, self._extenders, self._ignored = store, cluster, extenders, ignored

    async def place(self, pod: Pod, obj: JSON) -> str | Refusal:
        """The pod's node, or why there is none.

        Raises:
            ExtenderError: of an extender that may not be ignored.
        """
        nominated = pod.status.nominated_node_name
        if nominated in self._cluster.nodes and await self._takes(pod, obj, nominated):
            return nominated
        total = len(self._cluster.nodes)
        left, objections = await self._feasible(pod, obj, list(self._cluster.nodes))
        if not left:
            return await self._make_room(pod, obj, Diagnosis(total, objections))
        if len(left) == 1:
            return left[0]
        scores = await self._scores(pod, obj, left)
        return choose(left, scores, {node: self._cluster.count(node) for node in left})

    async def _takes(self, pod: Pod, obj: JSON, node: str) -> bool:
        try:
            left, _ = await self._feasible(pod, obj, [node])
        except ExtenderError as error:
            log.info("nominated node not evaluated", pod=pod.key, node=node, error=str(error))
            return False
        return bool(left)

    async def _feasible(self, pod: Pod, obj: JSON, nodes: Sequence[str]) -> tuple[Sequence[str], dict[str, Objection]]:
        """The nodes that nobody objects to, and the objections to others."""
        objections = self._own_objections(pod, nodes)
        left = tuple(node for node in nodes if node not in objections)
        for extender in self._extenders:
            if not left:
                break
            if not extender.settings.filter_verb or not extender.interested_in(pod):
                continue
            try:
                answer = await extender.filter(obj, self._shown(left))
            except ExtenderError as error:
                if not extender.settings.ignorable:
                    raise
                log.info("extender ignored", extender=extender.settings.url, error=str(error))
                continue
            left = answer.nodes
            objections |= {node: each for node, each in answer.objections.items() if node not in left}
        return left, objections

    def _own_objections(self, pod: Pod, nodes: Iterable[str]) -> dict[str, Objection]:
        requests, found = requests_of(pod), {}
        for name in nodes:
            used = self._cluster.usage(name, pod)
            if each := objection(pod, requests, self._cluster.nodes[name], used, self._ignored):
                found[name] = each
        return found

    async def _scores(self, pod: Pod, obj: JSON, nodes: Sequence[str]) -> list[Scores]:
        shown = self._shown(nodes)

        async def ask(extender: Extender) -> Scores:
            try:
                return Scores(extender.settings.weight, await extender.prioritize(obj, shown))
            except ExtenderError as error:
                log.info("scores dropped", extender=extender.settings.url, error=str(error))
                return Scores(0, {})

        asked = [each for each in self._extenders if each.settings.prioritize_verb and each.interested_in(pod)]
        return list(await asyncio.gather(*(ask(each) for each in asked)))

    async def _make_room(self, pod: Pod, obj: JSON, diagnosis: Diagnosis) -> Refusal:
        if not diagnosis.nodes:
            return Refusal(diagnosis.message)
        if why := preemption.ineligible(pod, self._cluster):
            return Refusal(replace(diagnosis, preemption=why).message)
        requests = requests_of(pod)

        def check(node: Node, used: Usage) -> Objection | None:
            return objection(pod, requests, node, used, self._ignored)

        proposals = preemption.propose(pod, self._cluster, diagnosis, check)
        if not proposals.victims:
            return Refusal(replace(diagnosis, preemption=proposals.message).message, nominated="")
        completed = await self._ask_whom(pod, obj, proposals.victims)
        node = preemption.best(completed)
        if node is None:
            return Refusal(replace(diagnosis, preemption=preemption.NO_CANDIDATE).message)
        victims = completed[node]
        told = f"preemption: found a potential placement for pod on node {node}, preempting {len(victims)} victims"
        return Refusal(replace(diagnosis, preemption=told).message, node, victims)

    async def _ask_whom(self, pod: Pod, obj: JSON, proposals: Mapping[str, Victims]) -> Mapping[str, Victims]:
        """The proposals as the extenders complete them, one after another."""
        for extender in self._extenders:
            if not proposals:
                break
            if not extender.settings.preempt_verb or not extender.interested_in(pod):
                continue
            try:
                answered = await extender.preempt(obj, self._shown_victims(proposals))
                proposals = _named(answered, self._cluster, extender)
            except ExtenderError as error:
                if not extender.settings.ignorable:
                    raise
                log.info("extender ignored", extender=extender.settings.url, error=str(error))
        return proposals

    def _shown(self, nodes: Iterable[str]) -> dict[str, JSON]:
        found = {name: self._store.get("nodes", ("", name)) for name in nodes}
        return {name: record.value for name, record in found.items() if record is not None}

    def _shown_victims(self, proposals: Mapping[str, Victims]) -> dict[str, list[JSON]]:
        shown = dict[str, list[JSON]]()
        for node, victims in proposals.items():
            found = [self._store.get("pods", (each.namespace, each.name)) for each in victims]
            shown[node] = [record.value for record in found if record is not None]
        return shown


def _named(answered: Mapping[str, Sequence[str]], cluster: Cluster, extender: Extender) -> dict[str, Victims]:
    try:
        return preemption.named(answered, cluster)
    except LookupError as error:
        raise ExtenderError(f"extender: {extender.settings.url} {error}") from error
