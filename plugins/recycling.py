"""How long a pod that empties a volume may run: longer for larger volumes, never less than the plugin's least.

Rule: the recycler's pod of kube-controller-manager, `activeDeadlineSeconds`.
"""

from typing import Final

from model import quantity
from model.volumes import PersistentVolume

_SECONDS_PER_GI: Final = 30
_GI_NANOS: Final = 2**30 * quantity.NANO


def scrub_seconds(volume: PersistentVolume, least_seconds: int) -> int:
    """Thirty seconds for each whole Gi of the volume."""
    return max(least_seconds, volume.capacity_nanos // _GI_NANOS * _SECONDS_PER_GI)
