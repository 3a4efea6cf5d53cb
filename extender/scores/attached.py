"""AttachedAlready: the share of the pod's volumes that are attached to the node, so that nothing has to be moved."""

from collections import Counter

from extender.masks import Mask, Ranks, bit
from extender.snapshot import Snapshot
from extender.verdict import Verdicts
from model.workloads import Pod


def judge(pod: Pod, verdicts: Verdicts, snapshot: Snapshot) -> Ranks | None:
    """Percent of the volumes that the pod's claims are bound to; nothing to judge where none is attached anywhere."""
    volumes = {claim.spec.volume_name for _, _, claim in snapshot.stores.pod_claims(pod) if claim is not None} - {""}
    attached = Counter(
        node
        for volume in volumes
        for node in {each.spec.node_name for each in snapshot.stores.attachments.by("volume", volume)}
    )
    feasible = verdicts.feasible & snapshot.nodes.mask_of(attached)
    if not feasible:
        return None
    ranks = dict[int, Mask]()
    for name in snapshot.nodes.names_of(feasible):
        percent = 100 * attached[name] // len(volumes)
        ranks[percent] = ranks.get(percent, 0) | bit(snapshot.nodes.position[name])
    return ranks
