"""Objects for tests of rules, and what the rules make of them."""

from dataclasses import dataclass, replace
from typing import Any

from model.meta import JSON
from tests.webhooks.cases import view
from webhooks.rules.evaluate import Finding, evaluate
from webhooks.rules.facts import Snapshot
from webhooks.rules.rule import Denial, Operation, Phase, Review, Warn
from webhooks.settings import Settings


def pv(name: str = "pv-1", phase: str = "Available", **given: Any) -> JSON:
    metadata = {key: given.pop(key) for key in ("labels", "annotations", "deletionTimestamp") if key in given}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, **metadata},
        "spec": given,
        "status": {"phase": phase},
    }


def pvc(name: str = "cart", namespace: str = "shop", **given: Any) -> JSON:
    metadata = {key: given.pop(key) for key in ("labels", "annotations", "deletionTimestamp", "uid") if key in given}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": given,
    }


def sc(name: str = "fast", provisioner: str = "block.csi.example.com", **given: Any) -> JSON:
    metadata = {key: given.pop(key) for key in ("annotations", "creationTimestamp") if key in given}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, **metadata},
        "provisioner": provisioner,
        **given,
    }


def node(name: str, **labels: str) -> JSON:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def csi_node(name: str, driver: str, *keys: str) -> JSON:
    drivers = [{"name": driver, "nodeID": name, "topologyKeys": list(keys)}]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name},
        "spec": {"drivers": drivers},
    }


def csi_driver(name: str, **spec: Any) -> JSON:
    return {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": name}, "spec": spec}


def capacity(class_name: str, **given: str) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": {"name": "c", "namespace": "driver"},
        "storageClassName": class_name,
        **given,
    }


def grant(namespace: str, source: JSON, target: JSON) -> JSON:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "g", "namespace": namespace},
        "spec": {"from": [source], "to": [target]},
    }


@dataclass(frozen=True)
class Result:
    """What both phases made of a request."""

    raw: JSON
    changed: bool
    warnings: list[str]
    denials: list[str]
    rules: list[str]


def admit(
    new: JSON,
    *context: JSON,
    old: JSON | None = None,
    complete: bool = True,
    settings: Settings | None = None,
    user: str = "",
) -> Result:
    """A creation, or with `old` an update, in a cluster that holds `context`."""
    operation = Operation.CREATE if old is None else Operation.UPDATE
    review = Review(operation, view(new), new, view(old) if old else None, old, user)
    return _run(review, context, settings or Settings(), complete=complete)


def delete(old: JSON, *context: JSON, settings: Settings | None = None) -> Result:
    return _run(Review(Operation.DELETE, view(old), old), context, settings or Settings(), complete=True)


def _run(review: Review[Any], context: tuple[JSON, ...], settings: Settings, *, complete: bool) -> Result:
    facts = Snapshot([view(each) for each in context], complete=complete, policy=settings.policy)
    findings: list[Finding] = []
    before = review.raw
    for phase in Phase:
        verdict = evaluate(phase, settings.rules, review, facts)
        findings += [each for each in verdict.findings if each not in findings]
        review = replace(review, subject=view(verdict.raw), raw=verdict.raw)
    return Result(
        review.raw,
        review.raw != before,
        [each.effect.message for each in findings if isinstance(each.effect, Warn)],
        [each.effect.message for each in findings if isinstance(each.effect, Denial)],
        list(dict.fromkeys(each.rule for each in findings)),
    )
