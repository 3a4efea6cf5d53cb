"""What makes the demands of a pod on its place invalid: affinities and spread constraints.

Source: "Assigning Pods to Nodes" and "Pod Topology Spread Constraints" in the Kubernetes concepts.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import POSITIVE, chosen, named
from sandbox.rules.selectors import label_selector, node_selector, node_term

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")


def affinity(path: str, given: JSON) -> Iterator[FieldError]:
    """Objections to an affinity of any kind."""
    node = given.get("nodeAffinity") or {}
    if (required := node.get(_REQUIRED)) is not None:
        yield from node_selector(f"{path}.nodeAffinity.{_REQUIRED}", required)
    for index, each in enumerate(node.get(_PREFERRED) or ()):
        at = f"{path}.nodeAffinity.{_PREFERRED}[{index}]"
        yield from _weight(at, each)
        yield from node_term(f"{at}.preference", each.get("preference") or {}, any_value=True)
    for field in ("podAffinity", "podAntiAffinity"):
        pods = given.get(field) or {}
        for index, term in enumerate(pods.get(_REQUIRED) or ()):
            yield from _pod_term(f"{path}.{field}.{_REQUIRED}[{index}]", term)
        for index, each in enumerate(pods.get(_PREFERRED) or ()):
            at = f"{path}.{field}.{_PREFERRED}[{index}]"
            yield from _weight(at, each)
            yield from _pod_term(f"{at}.podAffinityTerm", each.get("podAffinityTerm") or {})


def _weight(path: str, weighted: JSON) -> Iterator[FieldError]:
    weight = weighted.get("weight") or 0
    if not 1 <= weight <= 100:
        yield FieldError.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _pod_term(path: str, term: JSON) -> Iterator[FieldError]:
    for field in ("labelSelector", "namespaceSelector"):
        if (selector := term.get(field)) is not None:
            yield from label_selector(f"{path}.{field}", selector)
    for name in term.get("namespaces") or ():
        yield from named(f"{path}.namespace", name, names.dns_label)
    key = term.get("topologyKey") or ""
    if not key:
        yield FieldError.required(f"{path}.topologyKey", "can not be empty")
    yield from named(f"{path}.topologyKey", key, names.qualified_name)


def spread_constraints(path: str, constraints: Sequence[JSON]) -> Iterator[FieldError]:
    """Objections to topology spread constraints."""
    kinds = [(each.get("topologyKey") or "", each.get("whenUnsatisfiable") or "") for each in constraints]
    for index, constraint in enumerate(constraints):
        at, (key, action) = f"{path}[{index}]", kinds[index]
        skew, least = constraint.get("maxSkew") or 0, constraint.get("minDomains")
        if skew <= 0:
            yield FieldError.invalid(f"{at}.maxSkew", skew, POSITIVE)
        if not key:
            yield FieldError.required(f"{at}.topologyKey", "can not be empty")
        yield from chosen(f"{at}.whenUnsatisfiable", action, _ACTIONS)
        if kinds[index] in kinds[index + 1 :]:
            yield FieldError.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        if least is not None:
            yield from _least_domains(f"{at}.minDomains", least, action)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if (policy := constraint.get(field)) is not None:
                yield from chosen(f"{at}.{field}", policy, ("Honor", "Ignore"))
        if (selector := constraint.get("labelSelector")) is not None:
            yield from label_selector(f"{at}.labelSelector", selector)


def _least_domains(path: str, least: int, action: str) -> Iterator[FieldError]:
    if least <= 0:
        yield FieldError.invalid(path, least, POSITIVE)
    if action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield FieldError.invalid(path, least, why)
