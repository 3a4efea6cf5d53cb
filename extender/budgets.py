"""How many more pods may be evicted before a PodDisruptionBudget is violated.

Source: the way DefaultPreemption tells victims that violate a budget from those that do not.
"""

from collections.abc import Iterable
from typing import Any, Final

from kube.caches import ALL
from model.policy import PodDisruptionBudget
from model.resources import BUDGETS, Resource
from model.selectors import LabelSelector
from model.workloads import Pod

FOLLOWED: Final[tuple[Resource[Any], ...]] = (*ALL, BUDGETS)
"""What an extender follows that is asked to preempt: where it stands in for the scheduler's volume plugins."""


class Budgets:
    """What is left of every budget, evictions taken off one by one."""

    def __init__(self, budgets: Iterable[PodDisruptionBudget]) -> None:
        self._budgets = [each for each in budgets if _selects(each.spec.selector)]
        self._left = {each.key: each.status.disruptions_allowed for each in self._budgets}

    def evict(self, pods: Iterable[Pod]) -> set[str]:
        """Take these off, in this order; the uids of those for which nothing was left."""
        return {pod.uid for pod in pods if self._evict(pod)}

    def _evict(self, pod: Pod) -> bool:
        exceeded = False
        for budget in self._budgets:
            selector = budget.spec.selector
            if budget.namespace != pod.namespace or selector is None or not selector.matches(pod.labels):
                continue
            if pod.name in (budget.status.disrupted_pods or ()):
                continue  # it is counted already
            self._left[budget.key] -= 1
            exceeded |= self._left[budget.key] < 0
        return exceeded


def _selects(selector: LabelSelector | None) -> bool:
    """Whether it is about any pod: for preemption an empty selector is about none."""
    return selector is not None and bool(selector.match_labels or selector.match_expressions)
