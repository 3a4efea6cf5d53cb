"""The metrics of kube/, made once a registry: requests, caches, queues, events, leases. Labels are closed sets."""

from prometheus_client import CollectorRegistry


class Metrics:
    """One set of counters, handed to everything that counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
