"""The webhook registrations, generated from the table of rules: one webhook a kind, for what its rules look at.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ says what each field means.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.errors import DeployError
from deploy.rbac import Names
from model.meta import JSON
from model.resources import CLAIMS, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, VOLUMES, Resource
from webhooks.rules import select
from webhooks.rules.rule import Operation, Phase, Rule
from webhooks.service import PATHS, TIMEOUT_SECONDS

NAME: Final = "lading"
"""Ends every webhook's name."""

_CONFIGURATIONS: Final = {Phase.MUTATE: MUTATING_WEBHOOKS, Phase.VALIDATE: VALIDATING_WEBHOOKS}
_NOT_GOING: Final = 'request.operation == "DELETE" || !has(object.metadata.deletionTimestamp)'
"""Nothing may stand in the way of an object's end."""
_METADATA: Final = ("labels", "annotations")


class FailurePolicy(StrEnum):
    """What the API server does with a request when the webhook can not be asked."""

    IGNORE = "Ignore"
    FAIL = "Fail"


@dataclass(frozen=True)
class Service:
    """A Service of the cluster in front of the webhooks."""

    namespace: str
    name: str
    port: int = 443


@dataclass(frozen=True)
class Exclusions:
    """Whose requests are not looked at."""

    namespaces: tuple[str, ...] = ("kube-system", Names().namespace)
    """Of claims. The webhooks' own is among them: what they need to start must not need them."""
    users: tuple[str, ...] = ()
    """By full name, as `system:serviceaccount:NAMESPACE:NAME`."""


def configurations(
    where: str | Service,
    *,
    ca_bundle: bytes | None = None,
    rules: Sequence[Rule] | None = None,
    validating: FailurePolicy = FailurePolicy.IGNORE,
    exclusions: Exclusions = Exclusions(),
    name: str = Names().registration,
) -> list[JSON]:
    """The MutatingWebhookConfiguration and the ValidatingWebhookConfiguration of these rules (default: those on).

    `where` is the URL that the API server calls, without a path, or a Service. `ca_bundle` is PEM; left out where it
    is injected later. Mutating webhooks never fail a request: an object that is not normalized is still an object.

    Raises:
        DeployError: a URL that API servers do not call.
    """
    chosen = select() if rules is None else rules
    policies = {Phase.MUTATE: FailurePolicy.IGNORE, Phase.VALIDATE: validating}
    return [
        {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name, "labels": {"app.kubernetes.io/name": NAME}},
            "webhooks": [
                _webhook(phase, kind, operations, _client_config(where, phase, ca_bundle), policies[phase], exclusions)
                for kind, operations in _looked_at(phase, chosen)
            ],
        }
        for phase, resource in _CONFIGURATIONS.items()
    ]


def _looked_at(phase: Phase, rules: Iterable[Rule]) -> list[tuple[Resource[Any], list[Operation]]]:
    """Each kind that rules of the phase look at, with the operations that any of them does, in the API's order."""
    found: dict[Resource[Any], set[Operation]] = {}
    for rule in rules:
        if phase in rule.phases:
            found.setdefault(rule.resource, set()).update(rule.operations)
    return [(kind, [each for each in Operation if each in operations]) for kind, operations in found.items()]


def _webhook(
    phase: Phase,
    kind: Resource[Any],
    operations: list[Operation],
    client_config: JSON,
    policy: FailurePolicy,
    exclusions: Exclusions,
) -> JSON:
    rule = {
        "apiGroups": [kind.group],
        "apiVersions": [kind.version],
        "resources": [kind.plural],
        "operations": [str(each) for each in operations],
        "scope": "Namespaced" if kind.namespaced else "Cluster",
    }
    return {
        "name": f"{kind.plural}.{phase}.{NAME}",
        "clientConfig": client_config,
        "rules": [rule],
        "failurePolicy": str(policy),
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "admissionReviewVersions": ["v1"],
        # Rules change nothing that they have changed already, so being asked again is safe.
        **({"reinvocationPolicy": "IfNeeded"} if phase is Phase.MUTATE else {}),
        **({"namespaceSelector": _outside(exclusions.namespaces)} if kind.namespaced and exclusions.namespaces else {}),
        "matchConditions": _conditions(kind, exclusions.users),
    }


def _client_config(where: str | Service, phase: Phase, ca_bundle: bytes | None) -> JSON:
    trusted = {"caBundle": base64.b64encode(ca_bundle).decode()} if ca_bundle else {}
    if isinstance(where, Service):
        service = {"namespace": where.namespace, "name": where.name, "path": PATHS[phase], "port": where.port}
        return {"service": service, **trusted}
    return {"url": _base(where) + PATHS[phase], **trusted}


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise DeployError(f"{url!r} is no URL that API servers call: expected https://HOST:PORT")
    return url.rstrip("/")


def _outside(namespaces: Iterable[str]) -> JSON:
    label = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(dict.fromkeys(namespaces))}
    return {"matchExpressions": [label]}


def _conditions(kind: Resource[Any], users: Sequence[str]) -> list[JSON]:
    conditions = [{"name": "not-being-deleted", "expression": _NOT_GOING}]
    if kind in (VOLUMES, CLAIMS):
        conditions.append({"name": "changes-what-rules-read", "expression": _changes()})
    if users:
        listed = json.dumps(list(users))
        conditions.append({"name": "not-exempt", "expression": f"!(request.userInfo.username in {listed})"})
    return conditions


def _changes() -> str:
    """Updates of finalizers, owners and the like, which controllers make all the time, concern no rule."""
    same = " && ".join(["object.spec == oldObject.spec", *map(_is_same, _METADATA)])
    return f'request.operation != "UPDATE" || !({same})'


def _is_same(field: str) -> str:
    new, old = f"object.metadata.{field}", f"oldObject.metadata.{field}"
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"
