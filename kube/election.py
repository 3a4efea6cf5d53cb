"""The Lease as a lock: what a candidate may conclude from what it saw, and what it writes. Decides only.

A candidate never compares a time that another machine wrote with a clock of its own. It notes when, by its own
monotonic clock, it saw the record change last; the lease is free once its duration has passed since then, or when it
names no holder. Source: Lease of coordination.k8s.io/v1, and the way client-go uses it.
"""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from model.csi import Lease
from model.meta import JSON


@dataclass(frozen=True)
class Terms:
    """How long others wait, how long the holder tries before it stops its work, how often it tries; in seconds."""

    duration: float
    renew: float
    retry: float

    def __post_init__(self) -> None:
        """Raises ValueError where no time is left to stop in."""
        if not 0 < 2 * self.retry <= self.renew < self.duration:
            given = f"retry {self.retry:g}, renew {self.renew:g}, duration {self.duration:g}"
            raise ValueError(f"a lease needs 0 < 2 * retry <= renew < duration, not {given}")

    @property
    def last_resort(self) -> float:
        """Seconds after a renewal when the work must have ended or the process must; a little before others start."""
        return self.duration - 0.2 * (self.duration - self.renew)


@dataclass(frozen=True)
class Sight:
    """The lease as seen last (None: there was none), and from when on it is free to us, in monotonic seconds."""

    lease: Lease | None = None
    free_at: float = float("-inf")

    def after(self, lease: Lease | None, now: float, identity: str, terms: Terms) -> "Sight":
        """Having looked again. A lease that vanished stays held for as long as it was: its holder may not know yet."""
        if lease is None:
            return Sight(None, self.free_at)
        if self.lease is not None and self.lease.spec == lease.spec:
            return Sight(lease, self.free_at)
        if lease.spec.holder_identity in (None, "", identity):
            return Sight(lease, now)
        return Sight(lease, now + (lease.spec.lease_duration_seconds or terms.duration))

    @property
    def holder(self) -> str:
        """Who holds it by the record, "" for nobody."""
        return (self.lease.spec.holder_identity if self.lease else None) or ""


def claim(lease: Lease | None, identity: str, terms: Terms, utc: datetime) -> JSON:
    """The spec that makes the lease ours, or keeps it so."""
    spec = lease.spec if lease else None
    time = _micro(utc)
    kept = spec is not None and spec.holder_identity == identity
    transitions = (spec.lease_transitions or 0) if spec else 0
    return {
        "holderIdentity": identity,
        "leaseDurationSeconds": ceil(terms.duration),
        "acquireTime": (spec.acquire_time if spec and kept else None) or time,
        "renewTime": time,
        "leaseTransitions": transitions if kept or spec is None else transitions + 1,
    }


def release(utc: datetime) -> JSON:
    """The spec that gives the lease up; others need not wait."""
    return {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro(utc)}


def unchanged(lease: Lease) -> JSON:
    """The metadata of a patch that only goes through if nobody has written since."""
    return {"uid": lease.uid, "resourceVersion": lease.metadata.resource_version}


def _micro(utc: datetime) -> str:
    return utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
