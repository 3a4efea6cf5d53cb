"""Whether an outcome has come to be, and why a pod is where it is: read off the cluster, never off what was planned."""

from collections.abc import Callable, Iterable

from lading.demo.facts import Facts, Mounted, ToldPod
from lading.demo.story import Outcome
from lading.demo.view import PodLine
from model import names, quantity
from model.volumes import PersistentVolume
from model.workloads import Node
from storage.topology import reachable

_UID_SHOWN = 8


def is_right(outcome: Outcome, facts: Facts) -> bool:
    """Whether the pod is as it must be in the end."""
    pod = facts.pod(outcome.pod)
    if pod is None:
        return False
    if not outcome.nodes:
        return not pod.spec.node_name and bool(pod.refusal) and all(word in pod.refusal for word in outcome.told)
    node, mounts = facts.node(pod.spec.node_name), list(facts.mounts(pod))
    return (
        node is not None
        and node.name in outcome.nodes
        and pod.status.phase == "Running"
        and len(mounts) == len(pod.volumes)
        and all(_is_mountable(each.volume, node) for each in mounts)
        and (not outcome.volume or outcome.volume in {each.volume.name for each in mounts if each.volume})
    )


def missing(outcome: Outcome, facts: Facts) -> str:
    """What is not (yet) as it must be, in words."""
    pod = facts.pod(outcome.pod)
    if pod is None:
        return f"{outcome.pod} does not exist"
    is_now = f"is {pod.status.phase} on {pod.spec.node_name}" if pod.spec.node_name else "has no node"
    if pod.refusal:
        is_now += f" ({pod.refusal})"
    elif unbound := [each.claim for each in facts.mounts(pod) if each.volume is None]:
        is_now += f" ({', '.join(unbound)} not bound)"
    volume = f" with volume {outcome.volume}" if outcome.volume else ""
    if outcome.nodes:
        return f"{pod.name} must run on {' or '.join(outcome.nodes)}{volume}, but {is_now}"
    return f"{pod.name} must be refused for {' and '.join(map(repr, outcome.told))}, but {is_now}"


def line(
    pod: ToldPod, facts: Facts, outcome: Outcome | None, why: Callable[[ToldPod], str], *, right: bool | None = None
) -> PodLine:
    """The pod's row. `why` tells what keeps a pod off every node; `outcome` is what must become of the pod."""
    mounts = list(facts.mounts(pod))
    place = pod.spec.node_name
    reason = _placed(outcome, mounts, facts.nodes()) if place else why(pod) if pod.refusal else ""
    return PodLine(pod.name, place, [_mount(each) for each in mounts], reason, right)


def short(volume: str) -> str:
    """A volume's name; of one that was made, whose name is a claim's UID, the beginning."""
    shown = f"pvc-{volume[4 : 4 + _UID_SHOWN]}…"
    return shown if volume.startswith("pvc-") and len(volume) > len(shown) else volume


def place_of(volume: PersistentVolume, nodes: Iterable[Node]) -> str:
    """From where the volume is reached: a node, a zone, or everywhere."""
    nodes = list(nodes)
    near = [node for node in nodes if reachable(volume, node.labels)]
    zones = sorted({node.labels.get(names.ZONE, "") for node in near})
    if len(near) == len(nodes):
        return f"zone {zone}" if (zone := volume.labels.get(names.ZONE)) else "reached everywhere"
    return f"on {near[0].name}" if len(near) == 1 else f"zone {' and '.join(zones)}"


def _is_mountable(volume: PersistentVolume | None, node: Node) -> bool:
    return volume is not None and reachable(volume, node.labels)


def _placed(outcome: Outcome | None, mounts: Iterable[Mounted], nodes: Iterable[Node]) -> str:
    nodes = list(nodes)
    real = [
        f"{quantity.canonical((each.volume.spec.capacity or {}).get('storage', '0'))}, {place_of(each.volume, nodes)}"
        for each in mounts
        if each.volume is not None
    ]
    return f"{outcome.shows} ({'; '.join(real)})" if outcome else "; ".join(real)


def _mount(mounted: Mounted) -> str:
    return short(mounted.volume.name) if mounted.volume else f"{mounted.claim} (unbound)"
