"""The scheduler's side of the extender protocol, version 1: what is asked, and what answers mean.

Names are capitalised as the Go types spell them, what is unset is null, and the objects inside come without kind and
apiVersion. Answers are read as encoding/json does: names in any case, unknown ones skipped, nothing after the value.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from model.meta import JSON
from sandbox.scheduler.checks import Objection

_DECODER: Final = json.JSONDecoder()


class AnswerError(ValueError):
    """The answer can not be read, or says what can not be."""


@dataclass(frozen=True)
class Filtered:
    """What filter answered: the nodes that are left, and why others are not."""

    nodes: tuple[str, ...]
    objections: Mapping[str, Objection]


class _NodeList(msgspec.Struct, frozen=True, gc=False):
    items: list[JSON] | None = None


class _FilterResult(msgspec.Struct, frozen=True, gc=False, rename="lower"):
    nodes: _NodeList | None = None
    nodenames: list[str] | None = None
    failednodes: dict[str, str] | None = None
    failedandunresolvablenodes: dict[str, str] | None = None
    error: str | None = None


class _HostPriority(msgspec.Struct, frozen=True, gc=False):
    host: str = ""
    score: int = 0


class _BindingResult(msgspec.Struct, frozen=True, gc=False):
    error: str | None = None


class _MetaPod(msgspec.Struct, frozen=True, gc=False):
    uid: str = ""


class _MetaVictims(msgspec.Struct, frozen=True, gc=False):
    pods: list[_MetaPod] | None = None


class _PreemptionResult(msgspec.Struct, frozen=True, gc=False):
    nodenametometavictims: dict[str, _MetaVictims | None] | None = None


def bare(obj: JSON) -> JSON:
    """An object of the API as it stands inside a message; who owns which field is not told."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} | {"metadata": metadata}


def nodes_request(pod: JSON, nodes: Mapping[str, JSON], *, names_only: bool) -> bytes:
    """ExtenderArgs, of filter and prioritize."""
    listed = None if names_only else {"metadata": {}, "items": [bare(node) for node in nodes.values()]}
    return orjson.dumps({"Pod": bare(pod), "Nodes": listed, "NodeNames": list(nodes) if names_only else None})


def binding_request(namespace: str, name: str, uid: str, node: str) -> bytes:
    """ExtenderBindingArgs."""
    return orjson.dumps({"PodName": name, "PodNamespace": namespace, "PodUID": uid, "Node": node})


def preemption_request(pod: JSON, victims: Mapping[str, Sequence[JSON]], *, names_only: bool) -> bytes:
    """ExtenderPreemptionArgs."""

    def shown(victim: JSON) -> JSON:
        return {"UID": victim["metadata"]["uid"]} if names_only else bare(victim)

    proposals = {
        node: {"Pods": [shown(victim) for victim in listed], "NumPDBViolations": 0} for node, listed in victims.items()
    }
    return orjson.dumps(
        {
            "Pod": bare(pod),
            "NodeNameToVictims": None if names_only else proposals,
            "NodeNameToMetaVictims": proposals if names_only else None,
        }
    )


def filter_answer(content: bytes, asked: Iterable[str], *, names_only: bool, who: str) -> Filtered:
    """ExtenderFilterResult. Neither names nor nodes means that no node is left.

    Raises:
        AnswerError: it is none, says Error, or names a node that was not asked about.
    """
    result = _read(content, _FilterResult, _lower)
    if result.error:
        raise AnswerError(result.error)
    if names_only and result.nodenames is not None:
        left = result.nodenames
    else:
        left = [_name(node) for node in (result.nodes.items if result.nodes else None) or ()]
    known = frozenset(asked)
    for name in left:
        if name not in known:
            raise AnswerError(
                f'extender "{who}" claims a filtered node "{name}" which is not found in the input node list'
            )
    objections = {name: Objection((why,), resolvable=True) for name, why in (result.failednodes or {}).items()}
    objections |= {name: Objection((why,)) for name, why in (result.failedandunresolvablenodes or {}).items()}
    return Filtered(tuple(dict.fromkeys(left)), {name: each for name, each in objections.items() if name in known})


def prioritize_answer(content: bytes) -> dict[str, int]:
    """HostPriorityList, a bare array; its range is not checked.

    Raises:
        AnswerError: it is none.
    """
    listed = _read(content, list[_HostPriority] | None, lambda value: [_lower(each) for each in _listed(value)])
    return {each.host: each.score for each in listed or ()}


def binding_answer(content: bytes) -> None:
    """ExtenderBindingResult.

    Raises:
        AnswerError: it is none, or says Error.
    """
    if error := _read(content, _BindingResult, _lower).error:
        raise AnswerError(error)


def preemption_answer(content: bytes) -> dict[str, list[str]]:
    """ExtenderPreemptionResult: the UIDs of each node's victims.

    Raises:
        AnswerError: it is none.
    """
    result = _read(content, _PreemptionResult, _lower_victims).nodenametometavictims or {}
    return {node: [pod.uid for pod in (victims.pods if victims else None) or ()] for node, victims in result.items()}


def _read(content: bytes, shape: Any, fold: Callable[[Any], Any]) -> Any:
    try:
        value, _ = _DECODER.raw_decode(content.decode(errors="replace").lstrip())
        return msgspec.convert(fold(value), shape)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"the answer can not be read: {error}") from error


def _lower(value: Any) -> Any:
    # Go leaves a struct at its zero value for null.
    value = {} if value is None else value
    return {name.lower(): each for name, each in value.items()} if isinstance(value, dict) else value


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list | None):
        raise AnswerError("the answer can not be read: expected an array")
    return value or []


def _lower_victims(value: Any) -> Any:
    result = _lower(value)
    per_node = result.get("nodenametometavictims") if isinstance(result, dict) else None
    if not isinstance(per_node, dict):
        return result
    folded = {}
    for node, victims in per_node.items():
        folded[node] = _lower(victims)
        if isinstance(victims, dict) and isinstance(folded[node].get("pods"), list):
            folded[node]["pods"] = [_lower(pod) for pod in folded[node]["pods"]]
    return result | {"nodenametometavictims": folded}


def _name(node: JSON) -> str:
    metadata = node.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str):
        raise AnswerError("the answer can not be read: a node without a name")
    return name
