"""On which Lease the replicas of a component agree who works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Election:
    """The Lease, and its times in seconds."""

    namespace: str
    name: str
    duration: float = 15.0
    renew: float = 10.0
    retry: float = 2.0
