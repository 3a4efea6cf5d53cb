"""What dashboards of kube-controller-manager's binder ask for, under its names."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from model.volumes import ClaimPhase, PersistentVolume, PersistentVolumeClaim, VolumePhase

UNKNOWN: Final = "N/A"
"""The plugin of a class that is not there."""

_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 25.0, 50.0, 120.0, 300.0, 600.0)


class Metrics:
    """Counters of one binder, and the time that making and destroying volumes takes, whoever does it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.defaulted = Counter(
            "retroactive_storageclass", "Claims that were to get the default class later.", registry=registry
        )
        self.defaulting_failed = Counter(
            "retroactive_storageclass_errors", "Of those, the ones that failed.", registry=registry
        )
        self._operations = Histogram(
            "volume_operation_total_seconds",
            "From the first attempt to the end of an operation.",
            ("plugin_name", "operation_name"),
            registry=registry,
            buckets=_SECONDS,
        )
        self._began: dict[tuple[str, str], tuple[float, str]] = {}

    def begins(self, operation: str, uid: str, plugin: str) -> None:
        """An operation on this object is asked for; what began before goes on."""
        self._began.setdefault((operation, uid), (monotonic(), plugin or UNKNOWN))

    def ends(self, operation: str, uid: str, *, well: bool = True) -> None:
        """It has ended."""
        began = self._began.pop((operation, uid), None)
        if began is not None and well:
            since, plugin = began
            self._operations.labels(plugin, operation).observe(monotonic() - since)


class Census(Collector):
    """How many volumes and claims there are, counted when asked."""

    def __init__(
        self,
        volumes: Callable[[], Iterable[PersistentVolume]],
        claims: Callable[[], Iterable[PersistentVolumeClaim]],
        plugin_of: Callable[[PersistentVolume], str],
    ) -> None:
        self._volumes = volumes
        self._claims = claims
        self._plugin_of = plugin_of

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they are now."""
        yield from self._of_volumes()
        yield from self._of_claims()

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: the registry need not count in order to know the names."""
        return []

    def _of_volumes(self) -> Iterator[GaugeMetricFamily]:
        volumes = list(self._volumes())
        total = Tally((self._plugin_of(volume), volume.volume_mode) for volume in volumes)
        bound = Tally((each.storage_class,) for each in volumes if each.status.phase == VolumePhase.BOUND)
        unbound = Tally((each.storage_class,) for each in volumes if each.status.phase != VolumePhase.BOUND)
        yield _gauge("pv_collector_total_pv_count", "Volumes.", ("plugin_name", "volume_mode"), total.items())
        yield _gauge("pv_collector_bound_pv_count", "Bound volumes.", ("storage_class",), bound.items())
        yield _gauge(
            "pv_collector_unbound_pv_count", "Volumes that are not Bound.", ("storage_class",), unbound.items()
        )

    def _of_claims(self) -> Iterator[GaugeMetricFamily]:
        claims = list(self._claims())
        labels = ("namespace", "storage_class", "volume_attributes_class")
        bound = Tally(_claim_labels(each) for each in claims if each.status.phase == ClaimPhase.BOUND)
        unbound = Tally(_claim_labels(each) for each in claims if each.status.phase != ClaimPhase.BOUND)
        yield _gauge("pv_collector_bound_pvc_count", "Bound claims.", labels, bound.items())
        yield _gauge("pv_collector_unbound_pvc_count", "Claims that are not Bound.", labels, unbound.items())


def _claim_labels(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    return (claim.namespace, claim.storage_class, claim.spec.volume_attributes_class_name or "")


def _gauge(
    name: str, text: str, labels: tuple[str, ...], counts: Iterable[tuple[Sequence[str], int]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=labels)
    for values, count in counts:
        gauge.add_metric(values, count)
    return gauge
