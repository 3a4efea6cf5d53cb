"""The scheduler extender's wire protocol, version 1: requests and answers as kube-scheduler's Go types spell them.

Names are capitalised, what is unset is null, and the objects inside use the API's ordinary names. Source:
`ExtenderArgs` and its neighbours in k8s.io/kube-scheduler/extender/v1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from extender.preempt import Candidate
from model.workloads import Pod

_NULL: Final = msgspec.Raw(b"null")


class WireError(ValueError):
    """The request is JSON of the right shape, but asks nothing that can be answered; the message names the field."""


class NodeList(msgspec.Struct, frozen=True, gc=False):
    """Whole nodes, undecoded: they are answered as they came."""

    items: list[msgspec.Raw] | None = None


class ExtenderArgs(msgspec.Struct, frozen=True, gc=False):
    """The request of filter and prioritize."""

    pod: Pod = msgspec.field(name="Pod")
    nodes: NodeList | None = msgspec.field(name="Nodes", default=None)
    node_names: msgspec.Raw = msgspec.field(name="NodeNames", default=_NULL)
    """Undecoded: often they are answered as they came."""


class ExtenderBindingArgs(msgspec.Struct, frozen=True, gc=False):
    """The request of bind."""

    pod_name: str = msgspec.field(name="PodName")
    pod_namespace: str = msgspec.field(name="PodNamespace")
    pod_uid: str = msgspec.field(name="PodUID")
    node: str = msgspec.field(name="Node")


class Victims(msgspec.Struct, frozen=True, gc=False):
    """Whole pods to evict from one node."""

    pods: list[Pod] | None = msgspec.field(name="Pods", default=None)
    pdb_violations: int = msgspec.field(name="NumPDBViolations", default=0)


class MetaPod(msgspec.Struct, frozen=True, gc=False):
    """A pod by its uid alone."""

    uid: str = msgspec.field(name="UID", default="")


class MetaVictims(msgspec.Struct, frozen=True, gc=False):
    """Pods to evict from one node, by uid."""

    pods: list[MetaPod] | None = msgspec.field(name="Pods", default=None)
    pdb_violations: int = msgspec.field(name="NumPDBViolations", default=0)


class ExtenderPreemptionArgs(msgspec.Struct, frozen=True, gc=False):
    """The request of preempt: one of the two maps, as the scheduler sends whole objects or names."""

    pod: Pod = msgspec.field(name="Pod")
    victims: dict[str, Victims | None] | None = msgspec.field(name="NodeNameToVictims", default=None)
    meta_victims: dict[str, MetaVictims | None] | None = msgspec.field(name="NodeNameToMetaVictims", default=None)


class _Named(msgspec.Struct, frozen=True, gc=False):
    name: str


class _Node(msgspec.Struct, frozen=True, gc=False):
    metadata: _Named


_NAMES: Final = msgspec.json.Decoder(list[str])
_NODE: Final = msgspec.json.Decoder(_Node)


@dataclass(frozen=True)
class Candidates:
    """The nodes of a request by name, and as they came where they came whole."""

    names: list[str]
    whole: Mapping[str, msgspec.Raw] | None = None
    raw: bytes = b"null"
    """The names as they came, where they came alone."""


def candidates(args: ExtenderArgs) -> Candidates:
    """The nodes asked about.

    Raises:
        WireError: neither names nor nodes, or a node without a name.
    """
    if bytes(args.node_names) != b"null":
        try:
            return Candidates(_NAMES.decode(args.node_names), raw=bytes(args.node_names))
        except msgspec.ValidationError as error:
            said = str(error) if "`$" in str(error) else f"{error} - at `$`"
            raise WireError(said.replace("`$", "`$.NodeNames")) from error
    if args.nodes is None:
        raise WireError("the request names no nodes: NodeNames and Nodes are both null")
    try:
        whole = {_NODE.decode(raw).metadata.name: raw for raw in args.nodes.items or ()}
    except msgspec.ValidationError as error:
        raise WireError(f"Nodes.items: {error}") from error
    return Candidates(list(whole), whole)


def filter_result(
    asked: Candidates,
    feasible: Iterable[str],
    failed: Mapping[str, str] | orjson.Fragment | None = None,
    unresolvable: Mapping[str, str] | orjson.Fragment | None = None,
) -> dict[str, Any]:
    """ExtenderFilterResult, in the form of the request: never both Nodes and NodeNames null, which means no node."""
    return {
        **_nodes(asked, feasible),
        "FailedNodes": failed or {},
        "FailedAndUnresolvableNodes": unresolvable or {},
        "Error": "",
    }


def filter_all(asked: Candidates) -> dict[str, Any]:
    """ExtenderFilterResult that leaves every node, as they came."""
    result = filter_result(asked, asked.names if asked.whole is not None else ())
    return result if asked.whole is not None else {**result, "NodeNames": orjson.Fragment(asked.raw)}


def filter_error(asked: Candidates, error: str) -> dict[str, Any]:
    """ExtenderFilterResult of a call that fails as a whole."""
    return {**_nodes(asked, ()), "FailedNodes": {}, "FailedAndUnresolvableNodes": {}, "Error": error}


def preemption_candidates(args: ExtenderPreemptionArgs) -> list[Candidate]:
    """The nodes that preemption may choose from, with the victims that the scheduler means.

    Raises:
        WireError: neither map is there.
    """
    given = args.victims if args.meta_victims is None else args.meta_victims
    if given is None:
        raise WireError("the request names no nodes: NodeNameToMetaVictims and NodeNameToVictims are both null")
    stated = ((node, each or MetaVictims()) for node, each in given.items())
    return [Candidate(node, tuple(pod.uid for pod in each.pods or ()), each.pdb_violations) for node, each in stated]


def preemption_result(chosen: Iterable[Candidate]) -> dict[str, Any]:
    """ExtenderPreemptionResult: by uid, whichever way the request came."""
    return {
        "NodeNameToMetaVictims": {
            each.node: {"Pods": [{"UID": uid} for uid in each.victims], "NumPDBViolations": each.pdb_violations}
            for each in chosen
        }
    }


def priorities(scores: Mapping[str, int]) -> list[dict[str, Any]]:
    """HostPriorityList: a bare array."""
    return [{"Host": host, "Score": score} for host, score in scores.items()]


def binding_result(error: str = "") -> dict[str, str]:
    """ExtenderBindingResult."""
    return {"Error": error}


def _nodes(asked: Candidates, feasible: Iterable[str]) -> dict[str, Any]:
    if asked.whole is None:
        return {"Nodes": None, "NodeNames": list(feasible)}
    items = [orjson.Fragment(bytes(asked.whole[name])) for name in feasible]
    return {"Nodes": {"metadata": {}, "items": items}, "NodeNames": None}
