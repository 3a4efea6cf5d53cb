"""What makes a selector invalid: of labels, of nodes, of topologies, and the tolerations of taints.

Source: "Labels and Selectors", "Assigning Pods to Nodes", "Taints and Tolerations" in the Kubernetes concepts.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import chosen, duplicates, named

_NO_OPERATOR: Final = "not a valid selector operator"
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def label_selector(path: str, selector: JSON) -> Iterator[FieldError]:
    """Objections to a LabelSelector."""
    yield from names.labels(f"{path}.matchLabels", selector.get("matchLabels") or {})
    for index, each in enumerate(selector.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        yield from _requirement(at, each, numeric=False)
        yield from _label_values(at, each)


def node_selector(path: str, selector: JSON) -> Iterator[FieldError]:
    """Objections to a NodeSelector: terms of which one must hold."""
    terms = selector.get("nodeSelectorTerms")
    if not terms:
        yield FieldError.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
        return
    for index, term in enumerate(terms):
        yield from node_term(f"{path}.nodeSelectorTerms[{index}]", term)


def node_term(path: str, term: JSON, *, any_value: bool = False) -> Iterator[FieldError]:
    """Objections to one term of a NodeSelector; `any_value` lets values be what no label can have."""
    for index, each in enumerate(term.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        yield from _requirement(at, each, numeric=True)
        if not any_value:
            yield from _label_values(at, each)
    for index, each in enumerate(term.get("matchFields") or ()):
        yield from _field_requirement(f"{path}.matchFields[{index}]", each)


def _requirement(path: str, requirement: JSON, *, numeric: bool) -> Iterator[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or ()
    if operator in {"In", "NotIn"}:
        if not values:
            yield FieldError.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield FieldError.forbidden(f"{path}.values", why)
    elif numeric and operator in {"Gt", "Lt"}:
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield FieldError.required(f"{path}.values", why)
    else:
        yield FieldError.invalid(f"{path}.operator", operator, _NO_OPERATOR)
    yield from named(f"{path}.key", requirement.get("key", ""), names.qualified_name)


def _label_values(path: str, requirement: JSON) -> Iterator[FieldError]:
    for index, value in enumerate(requirement.get("values") or ()):
        yield from named(f"{path}.values[{index}]", value, names.label_value)


def _field_requirement(path: str, requirement: JSON) -> Iterator[FieldError]:
    operator, values, key = requirement.get("operator", ""), requirement.get("values") or (), requirement.get("key", "")
    if operator not in {"In", "NotIn"}:
        yield FieldError.invalid(f"{path}.operator", operator, _NO_OPERATOR)
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield FieldError.required(f"{path}.values", why)
    if key != "metadata.name":
        yield FieldError.invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        yield from named(f"{path}.values[{index}]", value, names.dns_subdomain)


def topologies(path: str, terms: Sequence[JSON]) -> Iterator[FieldError]:
    """Objections to the allowed topologies of a class."""
    seen: list[dict[str, frozenset[str]]] = []
    for index, term in enumerate(terms):
        at = f"{path}[{index}].matchLabelExpressions"
        expressions = term.get("matchLabelExpressions") or ()
        for place, each in enumerate(expressions):
            yield from _topology(f"{at}[{place}]", each)
        yield from duplicates((f"{at}[{place}].key", each.get("key", "")) for place, each in enumerate(expressions))
        meaning = {each.get("key", ""): frozenset(each.get("values") or ()) for each in expressions}
        yield from (FieldError.duplicate(at, "") for each in seen if each == meaning)
        seen.append(meaning)


def _topology(path: str, requirement: JSON) -> Iterator[FieldError]:
    values = requirement.get("values") or ()
    if not values:
        yield FieldError.required(f"{path}.values")
    yield from duplicates((f"{path}.values[{index}]", value) for index, value in enumerate(values))
    yield from named(f"{path}.key", requirement.get("key", ""), names.qualified_name)


def tolerations(path: str, given: Sequence[JSON]) -> Iterator[FieldError]:
    """Objections to the tolerations of a pod."""
    for index, each in enumerate(given):
        yield from _toleration(f"{path}[{index}]", each)


def _toleration(path: str, toleration: JSON) -> Iterator[FieldError]:
    key, operator, effect = (toleration.get(field) or "" for field in ("key", "operator", "effect"))
    if key:
        yield from named(f"{path}.key", key, names.qualified_name)
    elif operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield FieldError.invalid(f"{path}.operator", operator, why)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield FieldError.invalid(f"{path}.effect", effect, why)
    yield from _tolerated_value(f"{path}.operator", operator, toleration.get("value") or "")
    if effect and effect not in _EFFECTS:
        yield FieldError.not_supported(f"{path}.effect", effect, _EFFECTS)


def _tolerated_value(path: str, operator: str, value: Any) -> Iterator[FieldError]:
    if operator in {"", "Equal"}:
        if problems := names.label_value(value):
            yield FieldError.invalid(path, value, ";".join(problems))
    elif operator == "Exists":
        if value:
            yield FieldError.invalid(path, value, "value must be empty when `operator` is 'Exists'")
    else:
        yield from chosen(path, operator, ("Equal", "Exists"))
