"""The metrics of kube/, made once a registry and handed to everything that counts. Labels come from closed sets."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One process's metrics of API requests, caches, queues, events and leases."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Without a registry they count for nobody, in one of their own."""
        self.registry = CollectorRegistry() if registry is None else registry
        self.requests = RequestMetrics(self.registry)
        self.caches = CacheMetrics(self.registry)
        self.queues = QueueMetrics(self.registry)
        self.leases = LeaseMetrics(self.registry)
        self.events = Counter(
            "lading_events_total", "Events asked for, by what became of them", ["result"], registry=self.registry
        )
        for result in ("created", "counted", "limited", "dropped", "failed"):
            self.events.labels(result)


class RequestMetrics:
    """What goes to the API server, each attempt counted. `code` is the HTTP status, or `error` where none came."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter(
            "lading_kube_requests_total", "Requests to the API server", ["verb", "code"], registry=registry
        )
        self.seconds = Histogram(
            "lading_kube_request_seconds",
            "Time to the end of an answer, of a watch to its start",
            ["verb"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.retries = Counter("lading_kube_request_retries_total", "Requests made again", ["verb"], registry=registry)
        self.unreadable = Counter(
            "lading_kube_unreadable_objects_total", "Objects that do not decode", ["resource"], registry=registry
        )
        self._counters: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def count(self, verb: str, code: str, seconds: float) -> None:
        """An attempt ended so, after so long."""
        counters = self._counters.get((verb, code))
        if counters is None:  # looking them up by label costs more than counting
            counters = self._counters[verb, code] = (self.total.labels(verb, code), self.seconds.labels(verb))
        counters[0].inc()
        counters[1].observe(seconds)


class CacheMetrics:
    """How well informers follow. `resource` is the plural name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.objects = Gauge("lading_cache_objects", "Objects in the cache", ["resource"], registry=registry)
        self.age_seconds = Gauge(
            "lading_cache_age_seconds", "Time since the server last said anything", ["resource"], registry=registry
        )
        self.changes = Counter(
            "lading_cache_changes_total", "Changes shown to handlers", ["resource", "type"], registry=registry
        )
        self.lists = Counter("lading_cache_lists_total", "Whole lists taken in", ["resource"], registry=registry)
        self.faults = Counter(
            "lading_cache_watch_faults_total", "Lists and watches that failed", ["resource"], registry=registry
        )
        self.handler_faults = Counter(
            "lading_cache_handler_faults_total", "Exceptions of handlers and indexes", ["resource"], registry=registry
        )


class QueueMetrics:
    """How work queues keep up. `queue` is the name the queue was given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.depth = Gauge("lading_queue_depth", "Keys waiting for a worker", ["queue"], registry=registry)
        self.adds = Counter("lading_queue_adds_total", "Keys queued", ["queue"], registry=registry)
        self.retries = Counter(
            "lading_queue_retries_total", "Keys queued again after a failure", ["queue"], registry=registry
        )
        self.wait_seconds = Histogram(
            "lading_queue_wait_seconds", "Time a key waits for a worker", ["queue"], buckets=_SECONDS, registry=registry
        )
        self.work_seconds = Histogram(
            "lading_queue_work_seconds", "Time a worker takes for a key", ["queue"], buckets=_SECONDS, registry=registry
        )


class LeaseMetrics:
    """Who leads. `lease` is its name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "lading_lease_leading", "1 while this process holds the lease", ["lease"], registry=registry
        )
        self.renewals = Counter(
            "lading_lease_renewals_total", "Attempts to renew it", ["lease", "result"], registry=registry
        )
