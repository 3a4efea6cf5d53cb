"""Which free volume each waiting claim would take on which nodes: the first half of VolumeBinding's verdict on them.

The smallest claim chooses first, and takes the smallest volume that fits; on each node a volume is taken once. A
volume reserved for the claim settles the search, whether the node reaches it or not.
"""

from collections.abc import Iterable, Sequence

from extender.facts import Fact, NoVolume, Reserved
from extender.filters.provisioning import Wanted
from extender.masks import Mask
from extender.plan import Match
from extender.snapshot import Snapshot
from model.volumes import PersistentVolume, PersistentVolumeClaim
from storage.binding import reserved_for, suits, takeable
from storage.capacity import request_bytes
from storage.topology import required_affinity


def match(claims: Iterable[PersistentVolumeClaim], snapshot: Snapshot, nodes: Mask) -> tuple[list[Match], list[Wanted]]:
    """The volumes chosen, and the claims that find none, each with its nodes."""
    matches, wanted, taken = list[Match](), list[Wanted](), dict[str, Mask]()
    for claim in sorted(claims, key=lambda claim: claim.requested_nanos):
        found, missed = _match_one(claim, snapshot, nodes, taken)
        for each in found:
            taken[each.volume.name] = taken.get(each.volume.name, 0) | each.nodes
        matches += found
        wanted += missed
    return matches, wanted


def _match_one(
    claim: PersistentVolumeClaim, snapshot: Snapshot, nodes: Mask, taken: dict[str, Mask]
) -> tuple[list[Match], list[Wanted]]:
    matches, wanted, left = list[Match](), list[Wanted](), nodes

    def take(volume: PersistentVolume, among: Mask) -> Mask:
        here = among & snapshot.nodes.reaching(required_affinity(volume))
        if here:
            matches.append(Match(claim, volume, here))
        return here

    def miss(among: Mask, fact: Fact) -> None:
        if among:
            wanted.append(Wanted(claim, among, fact))

    for volume in _reserved(claim, snapshot):
        settled = left & ~taken.get(volume.name, 0)
        miss(settled & ~take(volume, settled), Reserved(claim.name, volume.name))
        left &= ~settled
    for volume in _free(claim, snapshot):
        if not left:
            break
        left &= ~take(volume, left & ~taken.get(volume.name, 0))
    miss(left, NoVolume(claim.name, claim.storage_class, request_bytes(claim)))
    return matches, wanted


def _reserved(claim: PersistentVolumeClaim, snapshot: Snapshot) -> Sequence[PersistentVolume]:
    """The volumes of the claim's class that are reserved for it; its phase, labels and modes are not asked."""
    return sorted(
        (
            volume
            for volume in snapshot.stores.volumes.by("claim", claim.key)
            if reserved_for(volume, claim) and volume.storage_class == claim.storage_class and suits(volume, claim)
        ),
        key=lambda volume: volume.name,
    )


def _free(claim: PersistentVolumeClaim, snapshot: Snapshot) -> Sequence[PersistentVolume]:
    """The free volumes of the claim's class that it could take, smallest first."""
    return sorted(
        (
            volume
            for volume in snapshot.stores.volumes.by("free", claim.storage_class)
            if suits(volume, claim) and takeable(volume, claim) and claim.access_modes <= volume.access_modes
        ),
        key=lambda volume: (volume.capacity_nanos, volume.name),
    )
