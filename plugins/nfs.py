"""NFS: exports of a server that somebody else makes.

Rule: the in-tree plugin `kubernetes.io/nfs`.
"""

from typing import Final

from model.volumes import PersistentVolume
from plugins.recycling import scrub_seconds

NAME: Final = "kubernetes.io/nfs"

_LEAST_SCRUB_SECONDS: Final = 300


class Nfs:
    """Recycles exports."""

    def scrub_seconds(self, volume: PersistentVolume) -> int:
        """How long the pod that empties the volume may run."""
        return scrub_seconds(volume, _LEAST_SCRUB_SECONDS)
