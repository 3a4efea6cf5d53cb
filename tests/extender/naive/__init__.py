"""The four volume filters node by node over plain JSON, written straight from the reference, sharing nothing.

Slow and simple on purpose: it is what the masks are compared with. Answers status and reasons of each node:
"" passes, "U" could be cured by eviction, "UU" could not, and E raises.
"""

from collections.abc import Iterable
from typing import Any

from tests.extender.naive.binding import binding, binding_pre
from tests.extender.naive.cluster import IN_TREE, FailedError, Object, RejectedError, State, Verdict, state
from tests.extender.naive.limits import limits, skip_limits
from tests.extender.naive.restrictions import restrictions, restrictions_pre
from tests.extender.naive.zone import zone, zone_pre

__all__ = ["IN_TREE", "FailedError", "Verdict", "evaluate", "state"]


def evaluate(pod: Object, cluster: State, nodes: Iterable[str]) -> dict[str, Verdict]:
    """Status and reasons by node."""
    filters, remembered = [], None
    for prefilter, filter_ in (
        (restrictions_pre, restrictions),
        (skip_limits, limits),
        (binding_pre, binding),
        (zone_pre, zone),
    ):
        try:
            facts = prefilter(pod, cluster)
        except RejectedError as rejected:
            status, reason = rejected.args
            if status == "UU":
                return dict.fromkeys(nodes, (status, (reason,)))
            remembered = remembered or (status, (reason,))
            continue
        if facts is not None:
            filters.append((filter_, facts))
    if remembered:
        return dict.fromkeys(nodes, remembered)
    return {name: _one(pod, cluster, name, filters) for name in nodes}


def _one(pod: Object, cluster: State, name: str, filters: list[Any]) -> Verdict:
    node = cluster.get("Node", name)
    assert node is not None
    for filter_, facts in filters:
        status, reasons = filter_(pod, facts, cluster, node)
        if status:
            return status, reasons
    return "", ()
