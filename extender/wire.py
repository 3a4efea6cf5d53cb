"""The scheduler extender's wire protocol, version 1: requests and answers as kube-scheduler's Go types spell them.

Names are capitalised, what is unset is null, and the objects inside use the API's ordinary names. Source:
`ExtenderArgs` and its neighbours in k8s.io/kube-scheduler/extender/v1.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from model.workloads import Pod


class WireError(ValueError):
    """The request is JSON of the right shape, but asks nothing that can be answered; the message names the field."""


class NodeList(msgspec.Struct, frozen=True, gc=False):
    """Whole nodes, undecoded: they are answered as they came."""

    items: list[msgspec.Raw] | None = None


class ExtenderArgs(msgspec.Struct, frozen=True, gc=False):
    """The request of filter and prioritize."""

    pod: Pod = msgspec.field(name="Pod")
    nodes: NodeList | None = msgspec.field(name="Nodes", default=None)
    node_names: list[str] | None = msgspec.field(name="NodeNames", default=None)


class ExtenderBindingArgs(msgspec.Struct, frozen=True, gc=False):
    """The request of bind."""

    pod_name: str = msgspec.field(name="PodName")
    pod_namespace: str = msgspec.field(name="PodNamespace")
    pod_uid: str = msgspec.field(name="PodUID")
    node: str = msgspec.field(name="Node")


class _Named(msgspec.Struct, frozen=True, gc=False):
    name: str


class _Node(msgspec.Struct, frozen=True, gc=False):
    metadata: _Named


@dataclass(frozen=True)
class Candidates:
    """The nodes of a request by name, and as they came where they came whole."""

    names: list[str]
    whole: Mapping[str, msgspec.Raw] | None = None


def candidates(args: ExtenderArgs) -> Candidates:
    """The nodes asked about.

    Raises:
        WireError: neither names nor nodes, or a node without a name.
    """
    if args.node_names is not None:
        return Candidates(args.node_names)
    if args.nodes is None:
        raise WireError("the request names no nodes: NodeNames and Nodes are both null")
    try:
        whole = {msgspec.json.decode(raw, type=_Node).metadata.name: raw for raw in args.nodes.items or ()}
    except msgspec.ValidationError as error:
        raise WireError(f"Nodes.items: {error}") from error
    return Candidates(list(whole), whole)


def filter_result(
    asked: Candidates,
    feasible: Iterable[str],
    failed: Mapping[str, str] | None = None,
    unresolvable: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """ExtenderFilterResult, in the form of the request: never both Nodes and NodeNames null, which means no node."""
    return {
        **_nodes(asked, feasible),
        "FailedNodes": failed or {},
        "FailedAndUnresolvableNodes": unresolvable or {},
        "Error": "",
    }


def filter_error(asked: Candidates, error: str) -> dict[str, Any]:
    """ExtenderFilterResult of a call that fails as a whole."""
    return {**_nodes(asked, ()), "FailedNodes": {}, "FailedAndUnresolvableNodes": {}, "Error": error}


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
