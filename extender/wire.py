"""The scheduler extender's wire protocol, version 1: requests and answers as kube-scheduler's Go types spell them.

Names are capitalised, what is unset is null, and the objects inside use the API's ordinary names. Source:
`ExtenderArgs` and its neighbours in k8s.io/kube-scheduler/extender/v1.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

import msgspec
import orjson

from extender.preempt import Candidate
from model.workloads import Pod

_NULL: Final = msgspec.Raw(b"null")
Messages = Sequence[bytes]
"""A part of the inside of a map of messages by node, in pieces: they are long, and are joined once."""


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


_ARGS: Final = msgspec.json.Decoder(ExtenderArgs)
_NAMES: Final = msgspec.json.Decoder(list[str])
_NODE: Final = msgspec.json.Decoder(_Node)

_CUT: Final = b'"Nodes":null,"NodeNames":'
_NO_NODES: Final = b'"Nodes":null}'
_CUT_WITHIN: Final = 1 << 16
"""Bytes of the request that the pod before the cut may take."""
_NODE_HEAD: Final = b'{"metadata":{"name":"'
_NODE_HEAD_BYTES: Final = len(_NODE_HEAD) + 254
_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyz0123456789.-"
"""What names of nodes are made of."""


@dataclass(frozen=True)
class Candidates:
    """The nodes of a request, by name and as they came."""

    names: Sequence[str]
    """Empty where nobody needs them, and `count` tells how many there are."""
    raw: bytes = b""
    """The list of names as it came, and nothing where whole nodes came or some are left out."""
    whole: Sequence[msgspec.Raw] | None = None
    """The nodes as they came, where they came whole; in the order of the names."""
    count: int = 0

    def only(self, flags: bytes) -> "Candidates":
        """Those with a flag that is 1."""
        names = list(compress(self.names, flags))
        whole = None if self.whole is None else list(compress(self.whole, flags))
        return Candidates(names, whole=whole, count=len(names))


def named(names: Sequence[str]) -> Candidates:
    """Nodes by name alone."""
    return Candidates(names, count=len(names))


def read(body: bytes, needs_names: Callable[[Pod], bool]) -> tuple[Pod, Candidates]:
    """The pod and the nodes of a filter's or prioritize's request, their names read where the pod needs it.

    Raises:
        WireError: neither names nor nodes, or a node without a name.
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: no JSON, or of another shape.
    """
    # Names are most of a request. As Go writes it they come last, and are cut out: what is before them must be an
    # object once it is closed, and they a list, so that together they are what was sent.
    at = body.find(_CUT, 0, _CUT_WITHIN)
    if at >= 0 and body.endswith(b"}"):
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pod = _ARGS.decode(body[:at] + _NO_NODES).pod
            return pod, _listed(body[at + len(_CUT) : -1], needs_names=needs_names(pod))
    args = _ARGS.decode(body)
    return args.pod, candidates(args)


def candidates(args: ExtenderArgs) -> Candidates:
    """The nodes asked about.

    Raises:
        WireError: neither names nor nodes, or a node without a name.
    """
    if bytes(args.node_names) != b"null":
        try:
            return _listed(bytes(args.node_names), needs_names=True)
        except msgspec.ValidationError as error:
            said = str(error) if "`$" in str(error) else f"{error} - at `$`"
            raise WireError(said.replace("`$", "`$.NodeNames")) from error
    if args.nodes is None:
        raise WireError("the request names no nodes: NodeNames and Nodes are both null")
    whole = args.nodes.items or ()
    try:
        return Candidates([_name_of(node) for node in whole], whole=whole, count=len(whole))
    except msgspec.ValidationError as error:
        raise WireError(f"Nodes.items: {error}") from error


def _listed(raw: bytes, *, needs_names: bool) -> Candidates:
    """The nodes of a list of names."""
    if not needs_names:
        # Without what names are made of it is the frame of a list of strings, or it is something else.
        frame = raw.translate(None, _PLAIN)
        count = (len(frame) - 1) // 3
        if frame == b'["' + b'","' * (count - 1) + b'"]':
            return Candidates((), raw, count=count)
    names = _NAMES.decode(raw)
    return Candidates(names, raw, count=len(names))


def _name_of(node: msgspec.Raw) -> str:
    """The name of a whole node, which Go writes first."""
    head = bytes(memoryview(node)[:_NODE_HEAD_BYTES])
    if head.startswith(_NODE_HEAD):
        name, quote, _ = head[len(_NODE_HEAD) :].partition(b'"')
        if quote and not name.translate(None, _PLAIN):
            return name.decode()
    return _NODE.decode(node).metadata.name


def filter_result(
    left: Candidates, *, failed: Iterable[Messages] = (), unresolvable: Iterable[Messages] = (), error: str = ""
) -> bytes:
    """ExtenderFilterResult that leaves these nodes, in the form of the request.

    Never both Nodes and NodeNames are null, which means no node.
    """
    parts = (
        *_nodes(left),
        b',"FailedNodes":{',
        *_in_turn(failed),
        b'},"FailedAndUnresolvableNodes":{',
        *_in_turn(unresolvable),
        b'},"Error":',
        orjson.dumps(error),
        b"}",
    )
    return b"".join(parts)


def filter_error(asked: Candidates, error: str) -> bytes:
    """ExtenderFilterResult of a call that fails as a whole."""
    return filter_result(asked.only(b""), error=error)


def messages(names: Iterable[str], message: str, *, plain: bool) -> Messages:
    """The same message for each of some nodes, at least one. `plain`: nothing in their names is to be escaped."""
    if not plain:
        return (orjson.dumps(dict.fromkeys(names, message))[1:-1],)
    said = orjson.dumps(message)
    return b'"', f'":{said.decode()},"'.join(names).encode(), b'":', said


def _nodes(left: Candidates) -> Iterator[bytes]:
    if left.whole is None:
        yield b'{"Nodes":null,"NodeNames":'
        yield left.raw or orjson.dumps(left.names)
    else:
        yield b'{"Nodes":{"metadata":{},"items":['
        yield from _in_turn((node,) for node in left.whole)
        yield b']},"NodeNames":null'


def _in_turn(parts: Iterable[Sequence[bytes]]) -> Iterator[bytes]:
    """All of it, with commas between the parts."""
    for number, part in enumerate(parts):
        if number:
            yield b","
        yield from part


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


def priorities(scores: Mapping[int, Sequence[str]]) -> bytes:
    """HostPriorityList, a bare array, of the nodes by their scores."""
    return b"[%b]" % b",".join(_priorities(score, names) for score, names in scores.items() if names)


def _priorities(score: int, names: Sequence[str]) -> bytes:
    said = f'","Score":{score}}},{{"Host":"'.join(names).encode()
    if "".join(names).encode().translate(None, _PLAIN):  # something to escape
        return orjson.dumps([{"Host": name, "Score": score} for name in names])[1:-1]
    return b'{"Host":"%b","Score":%d}' % (said, score)


def binding_result(error: str = "") -> dict[str, str]:
    """ExtenderBindingResult."""
    return {"Error": error}
