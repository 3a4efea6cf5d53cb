"""AttachHeadroom: how many attach slots the pod's volumes leave free, at the driver with the least of them left."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from extender.masks import Mask, Ranks, bit
from extender.slots import NodeSlots, pod_slots
from extender.snapshot import Snapshot
from extender.verdict import Verdicts
from model.workloads import Pod

_ALL: Final = 100


def judge(pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> Ranks | None:
    """Percent of the slots left free; 100 on nodes without a limit."""
    slots, feasible = snapshot.slots, verdicts.feasible
    if not feasible & slots.limited:
        return None
    new = pod_slots(pod, snapshot.stores, migrated=True)
    if not new:
        return None
    sharing = feasible & slots.sharing(new)
    ranks = {_ALL: feasible & ~sharing}
    for driver, wanted in Counter(new.values()).items():
        for (limit, free), nodes in slots.room(driver).items():
            ranks = _lowered(ranks, nodes, _percent(free - wanted, limit))
    for name in snapshot.nodes.names_of(sharing):
        left = _left(new, slots.on(name))
        ranks[left] = ranks.get(left, 0) | bit(snapshot.nodes.position[name])
    return ranks


def _lowered(ranks: Ranks, nodes: Mask, most: int) -> dict[int, Mask]:
    """The ranks, those of these nodes no higher than that."""
    found = dict[int, Mask]()
    for rank, ranked in ranks.items():
        for each, part in ((min(rank, most), ranked & nodes), (rank, ranked & ~nodes)):
            if part:
                found[each] = found.get(each, 0) | part
    return found


def _left(new: Mapping[str, str], held: NodeSlots) -> int:
    wanted = Counter(driver for key, driver in new.items() if key not in held.present)
    drivers = [driver for driver in set(new.values()) if driver in held.limits]
    return min((_percent(held.free(each) - wanted[each], held.limits[each]) for each in drivers), default=_ALL)


def _percent(free: int, limit: int) -> int:
    return _ALL * max(free, 0) // max(limit, 1)
