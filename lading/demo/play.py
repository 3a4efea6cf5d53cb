"""The demo from its first line to its last: the stage is set, each act is played and waited for, the table is shown."""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from kube.client import Client
from lading.component import background
from lading.demo.chronicle import happened
from lading.demo.facts import Facts, ToldPod
from lading.demo.judge import is_right, line, missing
from lading.demo.stage import Stage, stage
from lading.demo.story import NAMESPACE, Act, Outcome, acts, cluster, one_more
from lading.demo.view import PlainView, PodLine, View, open_view, pod_table
from lading.run import Service, run_services
from model.meta import JSON, Object
from model.resources import CLAIMS, CLASSES, CSI_DRIVERS, CSI_NODES, NAMESPACES, NODES, PODS, VOLUMES, Resource

ACT_SECONDS: Final = 15.0
"""Until an act's outcomes must be there; each takes one to two on an idle machine."""
WIDTH: Final = 110
"""Of the table where there is no terminal to ask."""
INTERRUPTED: Final = 130

_RESOURCES: Final[dict[str, Resource[Any]]] = {
    each.kind: each for each in (NAMESPACES, NODES, CSI_NODES, CSI_DRIVERS, CLASSES, VOLUMES, CLAIMS, PODS)
}


async def play(stop: asyncio.Event, *, keep: bool) -> int:
    """Play until the end, or until `stop`; the exit status: 0 only if every outcome is the right one."""
    console = Console(width=None if Console().is_terminal else WIDTH)
    with tempfile.TemporaryDirectory(prefix="lading-demo-") as folder:
        async with stage(Path(folder)) as set_up:
            story = _Story(set_up, Facts(set_up.client), console)
            await run_services([*set_up.services, *story.services(stop, keep=keep)], stop)
            return story.status


class _Story:
    """The acts, what they must come to, and how it went."""

    def __init__(self, set_up: Stage, facts: Facts, console: Console) -> None:
        self.status = INTERRUPTED
        self._stage, self._facts, self._console = set_up, facts, console
        self._outcomes: dict[str, Outcome] = {}
        self._view: View = PlainView(console)

    def services(self, stop: asyncio.Event, *, keep: bool) -> list[Service]:
        """What follows the cluster, and what plays."""

        async def run(ready: asyncio.Event) -> None:
            ready.set()
            await self._tell(keep=keep)
            if not keep:
                stop.set()
            await asyncio.Event().wait()

        return [background("what the audience sees", self._facts.run), Service("story", run)]

    async def _tell(self, *, keep: bool) -> None:
        with open_view(self._console) as view:
            await self._facts.wait_synced()
            self._view = view
            self._facts.subscribe(self._show)
            failure = await self._play_all(view)
        self._view = PlainView(self._console)
        lines = self._lines(judged=True)
        self._console.print(pod_table(lines))
        wrong = [each.pod for each in lines if each.right is False]
        self.status = 1 if failure or wrong or {each.pod for each in lines} != set(self._outcomes) else 0
        self._console.print(
            f"not as it must be: {failure}" if failure else _sum(lines), highlight=False, soft_wrap=True
        )
        if keep:
            self._invite()

    async def _play_all(self, view: View) -> str:
        """Why the story ended early; "" where it came to its end."""
        await _apply(self._stage.client, cluster())
        for act in acts():
            view.act(act.title)
            await self._begin(act)
            try:
                async with asyncio.timeout(ACT_SECONDS):
                    while not all(is_right(each, self._facts) for each in act.outcomes):
                        await self._facts.changed()
            except TimeoutError:
                wrong = [missing(each, self._facts) for each in act.outcomes if not is_right(each, self._facts)]
                return f"{act.title}: after {ACT_SECONDS:g} s {'; '.join(wrong)}"
        return ""

    async def _begin(self, act: Act) -> None:
        self._outcomes |= {each.pod: each for each in act.outcomes}
        await _apply(self._stage.client, act.objects)
        for name in act.delete_pods:
            await self._stage.client.delete(PODS, name, NAMESPACE)
            self._outcomes.pop(name, None)

    def _show(self, old: Object | None, new: Object | None) -> None:
        for what in happened(old, new):
            self._view.happened(what)
        self._view.pods(self._lines())

    def _lines(self, *, judged: bool = False) -> list[PodLine]:
        return [self._line(pod, judged=judged) for pod in self._facts.pods()]

    def _line(self, pod: ToldPod, *, judged: bool) -> PodLine:
        outcome = self._outcomes.get(pod.name)
        right = (outcome is not None and is_right(outcome, self._facts)) if judged else None
        return line(pod, self._facts, outcome, self._stage.extender.why, right=right)

    def _invite(self) -> None:
        """How to go on by oneself."""
        more = self._stage.kubeconfig.with_name("more.yaml")
        more.write_text(yaml.safe_dump_all(one_more(), sort_keys=False), encoding="utf-8")
        for text in _invitation(self._stage.kubeconfig, more):
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _invitation(kubeconfig: Path, more: Path) -> Iterable[str]:
    yield "\nThe cluster goes on until Ctrl-C. In another terminal:\n"
    yield f"  export KUBECONFIG={kubeconfig}"
    yield f"  kubectl -n {NAMESPACE} get pods,pvc,pv -o wide"
    yield f"  kubectl -n {NAMESPACE} describe pod stowaway"
    yield f"  kubectl apply -f {more}     # one more claim, and a pod with it"
    yield f"  kubectl -n {NAMESPACE} get pvc -w"
    yield f"  kubectl delete -f {more}    # the volume goes with its claim\n"


def _sum(lines: list[PodLine]) -> str:
    wrong = sum(each.right is False for each in lines)
    if wrong:
        return f"{wrong} of {len(lines)} pods are not as they must be"
    placed = sum(bool(each.node) for each in lines)
    return f"{placed} pods are where their volumes are, {len(lines) - placed} can not be anywhere: as it must be."


async def _apply(client: Client, objects: Iterable[JSON]) -> None:
    for obj in objects:
        await client.create(_RESOURCES[obj["kind"]], obj, obj["metadata"].get("namespace", ""))
