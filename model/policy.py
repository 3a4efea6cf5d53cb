"""What of policy/v1 we read: how many pods may be evicted together."""

import msgspec

from model.meta import Object
from model.selectors import LabelSelector


class DisruptionBudgetSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Which pods it is about."""

    selector: LabelSelector | None = None


class DisruptionBudgetStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What may be evicted now."""

    disruptions_allowed: int = 0
    disrupted_pods: dict[str, str | None] | None = None
    """Pods that are on their way out and counted already, by name."""


class PodDisruptionBudget(Object, frozen=True, gc=False):
    """How many of some pods may be evicted together."""

    spec: DisruptionBudgetSpec = DisruptionBudgetSpec()
    status: DisruptionBudgetStatus = DisruptionBudgetStatus()
