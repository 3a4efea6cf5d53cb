"""The filters' view over informer caches: kept current by them, or filled once for a single question."""

from collections.abc import Callable

from extender.reservations import Reservations
from extender.snapshot import SERVED_RULES, Rules, Snapshot
from extender.stores import INDEXES, Stores
from kube.caches import Caches


def snapshot_over(caches: Caches, reservations: Reservations, rules: Rules, clock: Callable[[], float]) -> Snapshot:
    """A snapshot over the caches, our reservations over both, kept current by what the caches show."""
    for kind, wanted in INDEXES.items():
        for name, index in wanted.items():
            getattr(caches, kind).add_index(name, index)
    stores = Stores(
        pods=reservations.pods,
        claims=reservations.claims,
        volumes=reservations.volumes,
        classes=caches.classes,
        csi_nodes=caches.csi_nodes,
        csi_drivers=caches.csi_drivers,
        capacities=caches.capacities,
        attachments=caches.attachments,
    )
    snapshot = Snapshot(stores, rules, clock)
    for kind, handler in snapshot.handlers.items():
        getattr(caches, kind).subscribe(handler)
    return snapshot


def view_of(caches: Caches, rules: Rules = SERVED_RULES) -> Snapshot:
    """The same without any reservation, by the service's rules, for caches that were filled and are not followed."""
    reservations = Reservations(caches.pods, caches.claims, caches.volumes)
    return snapshot_over(caches, reservations, rules, lambda: 0.0)
