"""What making and deleting volumes came to, under the external-provisioner's names."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_CLAIM: Final = "controller_persistentvolumeclaim_provision"
_VOLUME: Final = "controller_persistentvolume_delete"


class Metrics:
    """Counters of one provisioner. Each attempt counts; `source` is the kind that a volume is filled from, or ""."""

    def __init__(self, registry: CollectorRegistry) -> None:
        made, deleted = ("class", "source"), ("class",)
        self._made = Counter(_CLAIM, "Volumes that were made.", made, registry=registry)
        self._not_made = Counter(f"{_CLAIM}_failed", "Volumes that were not made.", made, registry=registry)
        self._making = Histogram(
            f"{_CLAIM}_duration_seconds", "From the call to the volume's object.", made, registry=registry
        )
        self._deleted = Counter(_VOLUME, "Volumes whose storage was deleted.", deleted, registry=registry)
        self._not_deleted = Counter(f"{_VOLUME}_failed", "Volumes whose storage was not.", deleted, registry=registry)
        self._deleting = Histogram(f"{_VOLUME}_duration_seconds", "Of the call.", deleted, registry=registry)

    def made(self, storage_class: str, source: str, seconds: float) -> None:
        """A volume is there."""
        self._made.labels(storage_class, source).inc()
        self._making.labels(storage_class, source).observe(seconds)

    def not_made(self, storage_class: str, source: str) -> None:
        """An attempt came to nothing."""
        self._not_made.labels(storage_class, source).inc()

    def deleted(self, storage_class: str, seconds: float) -> None:
        """A volume's storage is gone."""
        self._deleted.labels(storage_class).inc()
        self._deleting.labels(storage_class).observe(seconds)

    def not_deleted(self, storage_class: str) -> None:
        """An attempt came to nothing."""
        self._not_deleted.labels(storage_class).inc()
