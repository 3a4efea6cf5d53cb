"""Whether a webhook is to be asked about a request, and in which version of the kind."""

from collections.abc import Sequence
from typing import Final

from model.meta import JSON
from model.selectors import LabelSelector
from sandbox.admission.webhooks.hooks import Hook, Rule
from sandbox.attributes import Attributes, Operation
from sandbox.errors import not_found
from sandbox.kinds import NAMESPACE, Kind, Kinds
from sandbox.store import Store

_EXEMPT: Final = "admissionregistration.k8s.io"
"""Webhook configurations are never shown to webhooks, so that a bad one can be taken away."""
_NOT_STORED: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


def version_for(hook: Hook, request: Attributes, store: Store, kinds: Kinds) -> Kind | None:
    """The kind under which the webhook wants to see the request, or None.

    Raises:
        ApiError: 404, the namespace whose labels decide is not there.
    """
    if request.kind.group == _EXEMPT or request.kind.group in _NOT_STORED:
        return None
    if not _object_fits(hook.object_selector, request):
        return None
    kind = _by_rules(hook, request, kinds)
    if kind is None or not _namespace_fits(hook.namespace_selector, request, store):
        return None
    return kind


def _by_rules(hook: Hook, request: Attributes, kinds: Kinds) -> Kind | None:
    if any(_fits(rule, request, request.kind) for rule in hook.rules):
        return request.kind
    if hook.match_policy != "Equivalent":
        return None
    others = [each for each in kinds if each.stored_resource == request.kind.stored_resource and each != request.kind]
    return next((kind for rule in hook.rules for kind in others if _fits(rule, request, kind)), None)


def _fits(rule: Rule, request: Attributes, kind: Kind) -> bool:
    return (
        _scope_fits(rule.scope, kind)
        and _listed(rule.operations, request.operation)
        and _listed(rule.api_groups, kind.group)
        and _listed(rule.api_versions, kind.version)
        and any(_resource_fits(each, kind.plural, request.subresource) for each in rule.resources)
    )


def _listed(items: Sequence[str], wanted: str) -> bool:
    return "*" in items or wanted in items


def _scope_fits(scope: str, kind: Kind) -> bool:
    return scope == "*" or (scope == "Namespaced") is kind.namespaced


def _resource_fits(pattern: str, plural: str, subresource: str) -> bool:
    resource, _, below = pattern.partition("/")
    return resource in ("*", plural) and below in ("*", subresource)


def _object_fits(selector: LabelSelector, request: Attributes) -> bool:
    """Either state of the object is enough."""
    if _is_empty(selector):
        return True
    return any(selector.matches(_labels(each)) for each in (request.obj, request.old) if each is not None)


def _namespace_fits(selector: LabelSelector, request: Attributes, store: Store) -> bool:
    """Cluster-scoped objects, but for namespaces themselves, are never left out."""
    about_namespace = request.kind.stored_resource == "namespaces"
    if _is_empty(selector) or not (about_namespace or request.namespace):
        return True
    if about_namespace and not request.subresource and request.operation is not Operation.DELETE:
        return selector.matches(_labels(request.obj or {}))
    name = request.name if about_namespace else request.namespace
    record = store.get("namespaces", ("", name))
    if record is None:
        raise not_found(NAMESPACE, name)
    return selector.matches(_labels(record.value))


def _is_empty(selector: LabelSelector) -> bool:
    return not selector.match_labels and not selector.match_expressions


def _labels(obj: JSON) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}
