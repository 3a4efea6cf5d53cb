"""What this process has decided and the API does not show yet: volumes taken, nodes selected, pods placed.

Filters see it through the stores, so two pods that are bound at once never take one volume, slot or claim. It lives in
memory and as long as the attempt that made it: what is written is found again in the objects themselves.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from extender.plan import Plan
from extender.slots import SlotIndex, Slots
from extender.stores import Overlay, Store, indexes
from extender.writes import claim_reference
from model import names
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Pod


@dataclass(frozen=True)
class Held:
    """The volumes and claims that one attempt holds, by key; those for pods that share a claim each their own."""

    volumes: Mapping[str, PersistentVolume]
    claims: Mapping[str, PersistentVolumeClaim]


class Reservations:
    """The three overlays. Their stores are what the filters read."""

    def __init__(
        self, pods: Store[Pod], claims: Store[PersistentVolumeClaim], volumes: Store[PersistentVolume]
    ) -> None:
        self.pods = Overlay(pods, indexes("pods"))
        self.claims = Overlay(claims, indexes("claims"))
        self.volumes = Overlay(volumes, indexes("volumes"))

    @contextmanager
    def hold(self, pod: Pod, plan: Plan, node: str, slots: SlotIndex, taken: Slots) -> Iterator[Held]:
        """Hold the pod's place, the slots that it takes there, and its volumes while the block runs.

        To be entered at once after deciding, without waiting in between: that is what makes deciding and taking one.
        """
        spec = msgspec.structs.replace(pod.spec, node_name=node)
        on_node = msgspec.structs.replace(pod, spec=spec)
        self.pods.hold(on_node)
        slots.on_pod(None, on_node)
        slots.promise(on_node, taken)
        held = Held(
            {match.volume.key: reserved(match.volume, match.claim) for match in plan.matches},
            {provision.claim.key: selected(provision.claim, node) for provision in plan.provisions},
        )
        for volume in held.volumes.values():
            self.volumes.hold(volume)
        for claim in held.claims.values():
            self.claims.hold(claim)
        try:
            yield held
        finally:
            self.pods.release(on_node)
            slots.on_pod(on_node, None)
            slots.withdraw(on_node)
            for volume in held.volumes.values():
                self.volumes.release(volume)
            for claim in held.claims.values():
                self.claims.release(claim)


def reserved(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
    """The volume as it will be once it is reserved."""
    return msgspec.structs.replace(volume, spec=msgspec.structs.replace(volume.spec, claim_ref=claim_reference(claim)))


def selected(claim: PersistentVolumeClaim, node: str) -> PersistentVolumeClaim:
    """The claim as it will be once its volume is asked for."""
    annotations = {**claim.annotations, names.SELECTED_NODE: node}
    return msgspec.structs.replace(claim, metadata=msgspec.structs.replace(claim.metadata, annotations=annotations))
