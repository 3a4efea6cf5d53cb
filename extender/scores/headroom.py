"""AttachHeadroom: how many attach slots the pod's volumes leave free, at the driver with the least of them left."""

from collections import Counter
from collections.abc import Mapping

from extender.slots import NodeSlots, pod_slots
from extender.snapshot import Snapshot
from extender.verdict import Verdicts
from model.workloads import Pod


def judge(pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> Mapping[str, int] | None:
    """Percent of the slots left free; 100 on nodes without a limit."""
    if not verdicts.feasible & snapshot.slots.limited:
        return None
    new = pod_slots(pod, snapshot.stores, migrated=True)
    if not new:
        return None
    return {name: _left(new, snapshot.slots.on(name)) for name in snapshot.nodes.names_of(verdicts.feasible)}


def _left(new: Mapping[str, str], held: NodeSlots) -> int:
    wanted = Counter(driver for key, driver in new.items() if key not in held.present)
    drivers = [driver for driver in set(new.values()) if driver in held.limits]
    return min(
        (100 * max(held.free(driver) - wanted[driver], 0) // max(held.limits[driver], 1) for driver in drivers),
        default=100,
    )
