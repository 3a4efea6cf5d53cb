"""Whether a driver reports room for a new volume: CSIStorageCapacity.

One object must do: objects are not added up, nor are the claims of a pod. Rule: "Storage Capacity" of the Kubernetes
documentation.
"""

from model import quantity
from model.csi import CSIDriver, CSIStorageCapacity
from model.selectors import Labels
from model.volumes import PersistentVolumeClaim


def is_checked(claim: PersistentVolumeClaim, driver: CSIDriver | None) -> bool:
    """Whether room is asked for at all: the claim has a size and the driver publishes what it has."""
    return request_bytes(claim) is not None and driver is not None and bool(driver.spec.storage_capacity)


def request_bytes(claim: PersistentVolumeClaim) -> int | None:
    """The size wanted, in whole bytes; None without a request."""
    requested = (claim.spec.resources.requests or {}).get("storage")
    return None if requested is None else quantity.whole(requested)


def limit_bytes(capacity: CSIStorageCapacity) -> int | None:
    """The largest volume that can be made: maximumVolumeSize, even where it exceeds capacity, else capacity."""
    stated = capacity.capacity if capacity.maximum_volume_size is None else capacity.maximum_volume_size
    return None if stated is None else quantity.whole(stated)


def is_sufficient(capacity: CSIStorageCapacity, size_bytes: int) -> bool:
    """Whether a volume of this size can be made from it; an object that states nothing has nothing."""
    limit = limit_bytes(capacity)
    return limit is not None and limit >= size_bytes


def has_room(capacity: CSIStorageCapacity, size_bytes: int, spoken_for_bytes: int) -> bool:
    """Whether a volume of this size can be made beside others that are being made from it and not reported yet."""
    if not is_sufficient(capacity, size_bytes):
        return False
    return not spoken_for_bytes or (
        capacity.capacity is None or quantity.whole(capacity.capacity) >= size_bytes + spoken_for_bytes
    )


def is_reachable(capacity: CSIStorageCapacity, node_labels: Labels) -> bool:
    """Whether the node is in the object's segment. An empty selector is every node, an absent one none."""
    return capacity.node_topology is not None and capacity.node_topology.matches(node_labels)
