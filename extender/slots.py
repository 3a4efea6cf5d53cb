"""Attach slots: for every node what its pods and attachments hold of each driver, and for every driver who has room.

A node is counted anew when something that touches it has changed, and only then: changes mark nodes, `refresh` counts
those. Asking which nodes lack room is one mask per distinct number of free slots.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from typing import Final, TypeVar

import msgspec

from extender import masks
from extender.masks import Mask
from extender.nodes import NodeIndex
from extender.plan import Plan
from extender.stores import Stores, on_a_node
from model.csi import CSINode, VolumeAttachment
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Pod
from storage import limits
from storage.translation import TranslationError, migrated_plugins

_K = TypeVar("_K")
Slots = Mapping[str, str]
"""Key to driver."""


class SlotError(ValueError):
    """A pod's volume can not be counted; the message says which and why."""


@dataclass(frozen=True)
class NodeSlots:
    """What is held on one node. Where no driver has a limit nothing is counted."""

    limits: Mapping[str, int] = field(default_factory=dict)
    taken: Mapping[str, int] = field(default_factory=dict)
    """Slots taken per driver."""
    present: Mapping[str, str] = field(default_factory=dict)
    """The volumes that take no further slot by key, with their drivers: those of the node's pods."""
    error: str = ""
    """Why the node's pods can not be counted."""
    sets: frozenset[str] = frozenset()
    """The sets of nodes that this one is in."""

    @cached_property
    def states(self) -> frozenset[tuple[str, int, int]]:
        """Driver, limit and slots left, for every driver with a limit."""
        return frozenset((driver, limit, limit - self.taken.get(driver, 0)) for driver, limit in self.limits.items())

    def free(self, driver: str) -> int:
        """Slots left for a driver with a limit; negative when there are too many volumes already."""
        return self.limits[driver] - self.taken.get(driver, 0)


def pod_slots(pod: Pod, stores: Stores, *, migrated: bool) -> dict[str, str]:
    """The slots that a pod's volumes take: key to driver. A claim that does not exist takes none.

    Raises:
        SlotError: a claim belongs to another pod, or an inline volume has no name at its driver.
    """
    slots = dict[str, str]()
    for volume in pod.volumes:
        name = pod.claim_name(volume)
        if name is None:
            try:
                slot = limits.inline_slot(volume, migrated=migrated)
            except TranslationError as error:
                raise SlotError(f"converting volume({volume.name}) from inline to csi: {error}") from error
        elif (claim := stores.claims.get(f"{pod.namespace}/{name}")) is None:
            continue
        else:
            if volume.ephemeral and not owns(pod, claim):
                raise SlotError(not_owned(pod, claim))
            made = stores.volume_of(claim)
            named = stores.class_of(claim) if made is None else None
            slot = limits.claim_slot(claim, made, named, migrated=migrated)
        if slot:
            slots[slot[0]] = slot[1]
    return slots


def slots_once_bound(pod: Pod, plan: Plan, stores: Stores, *, migrated: bool) -> dict[str, str]:
    """The slots that a pod's volumes take once the plan is carried out; until then a claim counts by its class.

    Raises:
        SlotError: as `pod_slots`.
    """
    slots = pod_slots(pod, stores, migrated=migrated)
    for match in plan.matches:
        if by_class := limits.claim_slot(match.claim, None, stores.class_of(match.claim), migrated=migrated):
            slots.pop(by_class[0], None)
        spec = msgspec.structs.replace(match.claim.spec, volume_name=match.volume.name)
        claim = msgspec.structs.replace(match.claim, spec=spec)
        if taken := limits.claim_slot(claim, match.volume, None, migrated=migrated):
            slots[taken[0]] = taken[1]
    return slots


def owns(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether the claim was made for this very pod."""
    return claim.controller is not None and claim.controller.uid == pod.uid


def not_owned(pod: Pod, claim: PersistentVolumeClaim) -> str:
    """The words for an ephemeral volume's claim that belongs to something else."""
    return f"PVC {claim.key} was not created for pod {pod.key} (pod is not owner)"


class SlotIndex:
    """The slots of all nodes. Its `on_…` methods are handlers for the stores' changes."""

    def __init__(self, stores: Stores, nodes: NodeIndex, *, attached_is_present: bool = False) -> None:
        """`attached_is_present`: whether what is attached to a node without a pod counts as its pods' volumes do."""
        self._attached_is_present = attached_is_present
        self._stores = stores
        self._nodes = nodes
        self._stale: dict[str, None] = {}
        self._pods: dict[str, Slots] = {}
        """What pods on nodes take, by their uids, as it was counted last."""
        self._promised: dict[str, Slots] = {}
        """What pods that are being bound will take, by their uids: one of the same name may come while one goes."""
        self._attachments: dict[str, dict[str, str]] = {}
        """What is attached to nodes, by their names, as it was counted last."""
        self._said: dict[str, tuple[CSINode, Mapping[str, int], frozenset[str]]] = {}
        """What CSINodes say, by their names: the limits, and the sets that the node is in."""
        self._slots: dict[str, NodeSlots] = {}
        self._room: dict[str, dict[tuple[int, int], Mask]] = {}
        """driver → (limit, free slots) → nodes."""
        self._holders: dict[str, set[str]] = {}
        """volume key → names of the nodes whose pods use it."""
        self._sets: dict[str, Mask] = {}
        """Further sets of nodes by what they have: `csi`, `limited`, `broken`, `plugin/NAME`, `driver/NAME`."""

    # --- asking ---

    @property
    def stale(self) -> int:
        """How many nodes are to be counted anew."""
        return len(self._stale)

    def refresh(self, at_most: int | None = None) -> None:
        """Count what has changed, all of it or so many nodes."""
        for _ in range(len(self._stale) if at_most is None else min(at_most, len(self._stale))):
            name = next(iter(self._stale))
            del self._stale[name]
            self._count(name)

    def on(self, node: str) -> NodeSlots:
        """What is held on a node."""
        return self._slots.get(node, _EMPTY)

    def attached(self, node: str) -> dict[str, str]:
        """The slots of the attachments to a node: key to driver. The volumes of its pods are among them or not."""
        slots = (
            limits.attachment_slot(attachment, self._stores.volumes.get(attachment.spec.source.persistent_volume_name))
            for attachment in self._stores.attachments.by("node", node)
            if attachment.spec.source.persistent_volume_name
        )
        return dict(slot for slot in slots if slot)

    def lacking(self, driver: str, wanted: int) -> Mask:
        """The nodes with a limit for the driver and fewer free slots than that."""
        return reduce(or_, (nodes for (_, free), nodes in self.room(driver).items() if free < wanted), 0)

    def room(self, driver: str) -> Mapping[tuple[int, int], Mask]:
        """The nodes with a limit for the driver by the limit and the free slots, which are negative if overfull."""
        return self._room.get(driver, {})

    def sharing(self, keys: Iterable[str]) -> Mask:
        """The nodes whose pods use one of these volumes."""
        holders = {name for key in keys for name in self._holders.get(key, ())}
        return self._nodes.mask_of(holders) if holders else 0

    @property
    def with_csi_node(self) -> Mask:
        """The nodes with a CSINode."""
        return self._sets.get("csi", 0)

    def has_csi_node(self, node: str) -> bool:
        """Whether this node has one."""
        return self._stores.csi_nodes.get(node) is not None

    @property
    def limited(self) -> Mask:
        """The nodes that limit some driver."""
        return self._sets.get("limited", 0)

    @property
    def broken(self) -> Mask:
        """The limited nodes whose pods can not be counted."""
        return self._sets.get("broken", 0)

    def migrated(self, plugin: str) -> Mask:
        """The nodes that serve an in-tree plugin through CSI."""
        return self._sets.get(f"plugin/{plugin}", 0)

    def registered(self, driver: str) -> Mask:
        """The nodes on which a driver has registered."""
        return self._sets.get(f"driver/{driver}", 0)

    # --- promises ---

    def promise(self, pod: Pod, slots: Slots) -> None:
        """Count these for a pod on a node, in place of what its claims show."""
        self._promised[pod.uid] = slots
        self._stale[pod.spec.node_name] = None

    def is_promised(self, pod: Pod) -> bool:
        """Whether the pod is only being bound: it is on its node for us alone."""
        return pod.uid in self._promised

    def withdraw(self, pod: Pod) -> None:
        """Count what its claims show again."""
        self._promised.pop(pod.uid, None)
        self._stale[pod.spec.node_name] = None

    # --- changes ---

    def add_node(self, name: str) -> None:
        """A node has a position from now on."""
        self._stale[name] = None

    def drop_node(self, name: str) -> None:
        """A node is about to lose its position."""
        self._stale.pop(name, None)
        self._attachments.pop(name, None)
        self._leave(name)

    def on_pod(self, old: Pod | None, new: Pod | None) -> None:
        """A pod took or left a node."""
        if old and new and old.uid == new.uid and on_a_node(old) == on_a_node(new):
            return
        for pod in (old, new):
            if pod and pod.spec.node_name and pod.volumes:
                self._pods.pop(pod.uid, None)
                self._stale[pod.spec.node_name] = None

    def on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        """A claim counts differently: bound, of another class or owner, come or gone."""
        if old is None or new is None or _counted(old) != _counted(new):
            claim = new or old
            assert claim is not None
            self._touch_users(claim)

    def on_volume(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        """A volume came, went, or has another source or zone."""
        if old and new and old.spec.csi == new.spec.csi and old.labels == new.labels:
            return
        volume = new or old
        assert volume is not None
        for claim in self._stores.claims.by("volume", volume.name):
            self._touch_users(claim)
        for attachment in self._stores.attachments.by("volume", volume.name):
            self._touch_attached(attachment.spec.node_name)

    def on_class(self, old: StorageClass | None, new: StorageClass | None) -> None:
        """A class came, went, or has another provisioner: its unbound claims count differently."""
        if old and new and old.provisioner == new.provisioner:
            return
        storage_class = new or old
        assert storage_class is not None
        for claim in self._stores.claims.by("class", storage_class.name):
            self._touch_users(claim)

    def on_attachment(self, old: VolumeAttachment | None, new: VolumeAttachment | None) -> None:
        """An attachment came, went or changed."""
        if old and new and old.spec == new.spec:
            return
        for attachment in (old, new):
            if attachment:
                self._touch_attached(attachment.spec.node_name)

    def on_csi_node(self, old: CSINode | None, new: CSINode | None) -> None:
        """A CSINode came, went, or says something else."""
        if old and new and old.spec == new.spec and migrated_plugins(old) == migrated_plugins(new):
            return
        csi_node = new or old
        assert csi_node is not None
        self._stale[csi_node.name] = None

    def _touch_users(self, claim: PersistentVolumeClaim) -> None:
        for pod in self._stores.users_of(claim.key):
            self._pods.pop(pod.uid, None)
            self._stale[pod.spec.node_name] = None

    def _touch_attached(self, node: str) -> None:
        self._attachments.pop(node, None)
        self._stale[node] = None

    # --- counting ---

    def _count(self, name: str) -> None:
        csi_node = self._stores.csi_nodes.get(name)
        if csi_node is None:
            self._said.pop(name, None)
        if name not in self._nodes.position or csi_node is None:
            self._leave(name)
            return
        slots = self._slots_of(csi_node)
        self._change(name, self.on(name), slots)
        self._slots[name] = slots

    def _leave(self, name: str) -> None:
        slots = self._slots.pop(name, None)
        if slots is not None:
            self._change(name, slots, _EMPTY)

    def _change(self, name: str, old: NodeSlots, new: NodeSlots) -> None:
        """Index what is held on a node now, where it differs from before: of a node little changes at a time."""
        own = masks.bit(self._nodes.position[name])
        if old.sets != new.sets:
            for each in old.sets - new.sets:
                _clear(self._sets, each, own)
            for each in new.sets - old.sets:
                self._sets[each] = self._sets.get(each, 0) | own
        for driver, limit, free in old.states - new.states:
            _clear(self._room[driver], (limit, free), own)
        for driver, limit, free in new.states - old.states:
            room = self._room.setdefault(driver, {})
            room[limit, free] = room.get((limit, free), 0) | own
        for key in old.present.keys() - new.present.keys():
            self._holders[key].discard(name)
            if not self._holders[key]:
                del self._holders[key]
        for key in new.present.keys() - old.present.keys():
            self._holders.setdefault(key, set()).add(name)

    def _slots_of(self, csi_node: CSINode) -> NodeSlots:
        limit, sets = self._says(csi_node)
        if not limit:
            return NodeSlots(sets=sets)
        try:
            present = self._present(csi_node.name)
        except SlotError as error:
            return NodeSlots(limit, error=str(error), sets=sets | {"broken"})
        attached = self._attachments.get(csi_node.name)
        if attached is None:
            attached = self._attachments[csi_node.name] = self.attached(csi_node.name)
        taken = limits.used(present, attached)
        held = {**attached, **present} if self._attached_is_present else present
        return NodeSlots(limit, taken, held, sets=sets)

    def _says(self, csi_node: CSINode) -> tuple[Mapping[str, int], frozenset[str]]:
        known = self._said.get(csi_node.name)
        if known is None or known[0] is not csi_node:
            limit = limits.limits(csi_node)
            drivers = (f"driver/{driver.name}" for driver in csi_node.spec.drivers or ())
            plugins = (f"plugin/{plugin}" for plugin in migrated_plugins(csi_node))
            sets = frozenset({"csi", *drivers, *plugins, *(["limited"] if limit else [])})
            known = self._said[csi_node.name] = csi_node, limit, sets
        return known[1], known[2]

    def _present(self, node: str) -> dict[str, str]:
        present = dict[str, str]()
        for pod in self._stores.placed_on(node):
            if pod.volumes:
                slots = self._promised.get(pod.uid, self._pods.get(pod.uid))
                if slots is None:
                    slots = self._pods[pod.uid] = pod_slots(pod, self._stores, migrated=True)
                present.update(slots)
        return present


def _counted(claim: PersistentVolumeClaim) -> tuple[object, ...]:
    """What of a claim decides which slot it takes."""
    return claim.spec.volume_name, claim.storage_class, claim.controller and claim.controller.uid


def _clear(sets: dict[_K, Mask], key: _K, own: Mask) -> None:
    sets[key] &= ~own
    if not sets[key]:
        del sets[key]


_EMPTY: Final = NodeSlots()
