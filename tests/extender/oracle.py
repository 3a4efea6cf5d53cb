"""The scheduler's own volume plugins, asked about clusters of JSON; and the extender's engine, asked the same."""

import json
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from extender.answer import Answers
from extender.filters import evaluate
from extender.masks import bit
from extender.plan import Match
from extender.snapshot import Rules, Snapshot
from extender.verdict import EvaluationError
from extender.wire import filter_error, named
from model.meta import JSON
from model.names import BOUND_BY_CONTROLLER
from model.quantity import nanos
from model.workloads import Pod
from storage.binding import reserved_for

Writes = dict[str, str]
"""What is written before a pod is bound: volumes by name with whom they are reserved for, claims by key with a node."""


@dataclass(frozen=True)
class Scenario:
    """A cluster, a pod, and the rule that a release may have switched on; all nodes of the cluster are asked about."""

    objects: list[JSON]
    pod: JSON
    wait_for_drivers: bool = True

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes."""
        return [obj["metadata"]["name"] for obj in self.objects if obj["kind"] == "Node"]

    @property
    def rules(self) -> Rules:
        """The rules, for the engine."""
        return Rules(wait_for_drivers=self.wait_for_drivers)


@dataclass(frozen=True)
class Word:
    """What the plugins say of one node: "" passes, U, UU or E; who said it, and why; what they write if it passes."""

    status: str
    plugin: str
    reasons: tuple[str, ...]
    writes: Writes = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The plugins' answer, and the scenario as a server would show it; or what a server would refuse of it."""

    shown: Scenario
    words: dict[str, Word]
    invalid: tuple[str, ...] = ()

    def result(self) -> dict[str, Any]:
        """The ExtenderFilterResult that says the same; Error holds every error that some node ran into."""
        by_status: dict[str, dict[str, str]] = {status: {} for status in ("", "U", "UU", "E")}
        for node, word in self.words.items():
            by_status[word.status][node] = ", ".join(word.reasons)
        return {
            "NodeNames": list(by_status[""]),
            "FailedNodes": by_status["U"],
            "FailedAndUnresolvableNodes": by_status["UU"],
            "Error": "\n".join(by_status["E"].values()),
        }


class Oracle:
    """The running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, scenario: Scenario) -> Answer:
        """What the plugins say of every node."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {
            "objects": scenario.objects,
            "pod": scenario.pod,
            "nodes": scenario.nodes,
            "waitForDrivers": scenario.wait_for_drivers,
        }
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the oracle ended with status {self._process.wait()}"
        found = json.loads(line)
        if found.get("invalid"):
            return Answer(scenario, {}, tuple(found["invalid"]))
        shown = Scenario(found.get("objects") or [], found["pod"], scenario.wait_for_drivers)
        return Answer(shown, {node: _word(said) for node, said in found.get("verdicts", {}).items()})


def _word(said: JSON) -> Word:
    writes = {**(said["volumes"] or {}), **(said["claims"] or {})}
    return Word(said["status"], said["plugin"], tuple(said["reasons"] or ()), writes)


@contextmanager
def running(path: Path) -> Iterator[Oracle]:
    """The program at `path` while the block runs."""
    with subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Oracle(process)
        assert process.stdin is not None
        process.stdin.close()


def filtered(snapshot: Snapshot, pod: JSON, nodes: Iterable[str]) -> dict[str, Any]:
    """The ExtenderFilterResult as the service makes it."""
    names = list(nodes)
    asked = named(names)
    try:
        verdicts = evaluate(msgspec.convert(pod, Pod, strict=False), snapshot, snapshot.nodes.mask_of(names))
        body = Answers(snapshot.nodes).of(asked, verdicts).body
    except EvaluationError as error:
        body = filter_error(asked, str(error))
    result: dict[str, Any] = json.loads(body)
    return result


def written(snapshot: Snapshot, pod: JSON, node: str) -> Writes:
    """What the extender writes before it binds the pod to a feasible node."""
    here = bit(snapshot.nodes.position[node])
    plan = evaluate(msgspec.convert(pod, Pod, strict=False), snapshot, here).plan.on(here)
    volumes = {match.volume.name: f"{match.claim.key} {match.claim.uid}{_mark(match)}" for match in plan.matches}
    return {**volumes, **{provision.claim.key: node for provision in plan.provisions}}


def _mark(match: Match) -> str:
    """Whether the volume is marked as chosen by a controller, or was before."""
    chosen = not reserved_for(match.volume, match.claim) or BOUND_BY_CONTROLLER in match.volume.annotations
    return " by controller" if chosen else ""


def disagreement(said: Answer, snapshot: Snapshot) -> str:
    """How the engine differs, "" where it does not. Of several errors any one will do: nodes are asked at once."""
    theirs, ours = said.result(), filtered(snapshot, said.shown.pod, said.shown.nodes)
    if theirs["Error"] or ours["Error"]:
        agreed = ours["Error"] and any(error.endswith(f": {ours['Error']}") for error in theirs["Error"].split("\n"))
        return "" if agreed else f"theirs: {theirs}\nours:   {ours}"
    same = set(theirs["NodeNames"]) == set(ours["NodeNames"]) and all(
        theirs[key] == ours[key] for key in ("FailedNodes", "FailedAndUnresolvableNodes")
    )
    if not same:
        return f"theirs: {theirs}\nours:   {ours}"
    for node in theirs["NodeNames"]:
        writes = written(snapshot, said.shown.pod, node)
        if _by_size(writes, said.shown) != _by_size(said.words[node].writes, said.shown):
            return f"on {node} theirs: {said.words[node].writes}\nours:   {writes}"
    return ""


def _by_size(writes: Writes, scenario: Scenario) -> dict[str | int, str]:
    """With a volume's size for its name: of volumes alike in size the scheduler takes any."""
    sizes = {
        obj["metadata"]["name"]: nanos(obj["spec"]["capacity"]["storage"])
        for obj in scenario.objects
        if obj["kind"] == "PersistentVolume"
    }
    return {sizes.get(name, name): who for name, who in writes.items()}
