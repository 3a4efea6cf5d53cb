"""What a change means, in a line for people: from what an object was and what it is now."""

from collections.abc import Iterator

from lading.demo.facts import ToldPod
from lading.demo.judge import short
from model import names
from model.meta import Object
from model.volumes import PersistentVolume, PersistentVolumeClaim


def happened(old: Object | None, new: Object | None) -> Iterator[str]:
    """The lines of one change; most changes have none."""
    match new:
        case ToldPod():
            yield from _pod(old if isinstance(old, ToldPod) else None, new)
        case PersistentVolumeClaim():
            yield from _claim(old if isinstance(old, PersistentVolumeClaim) else None, new)
        case PersistentVolume() if old is None and names.PROVISIONED_BY in new.annotations:
            reference = new.spec.claim_ref
            yield f"volume {short(new.name)} is made for claim {reference.name if reference else '?'}"
        case None if isinstance(old, ToldPod):
            yield f"pod {old.name} is gone"


def _pod(old: ToldPod | None, new: ToldPod) -> Iterator[str]:
    if new.spec.node_name and (old is None or not old.spec.node_name):
        yield f"pod {new.name} is placed on {new.spec.node_name}"
    if new.refusal and not new.spec.node_name and (old is None or old.refusal != new.refusal):
        yield f"pod {new.name} stays pending: {new.refusal.partition(' preemption:')[0]}"


def _claim(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim) -> Iterator[str]:
    if new.selected_node and (old is None or old.selected_node != new.selected_node):
        yield f"claim {new.name} gets its volume where node {new.selected_node} reaches it"
    if new.fully_bound and (old is None or not old.fully_bound):
        yield f"claim {new.name} is bound to volume {short(new.spec.volume_name)}"
