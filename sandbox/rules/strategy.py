"""Who may write what: what a create may not set, and what each path of an update leaves as it is. All in place.

Source: "Objects in Kubernetes: spec and status", and the status subresource in the API conventions.
"""

from datetime import UTC, datetime
from typing import Any, Final

from model.meta import JSON
from sandbox.kinds import Kind

_NO_GENERATION: Final = frozenset(
    {
        "configmaps",
        "endpoints",
        "events",
        "leases.coordination.k8s.io",
        "limitranges",
        "namespaces",
        "nodes",
        "persistentvolumeclaims",
        "persistentvolumes",
        "resourcequotas",
        "secrets",
        "serviceaccounts",
        "services",
        "storageclasses.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "csidrivers.storage.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "volumeattributesclasses.storage.k8s.io",
    }
)
"""Resources that do not count their generations."""

_KEPT_BY_STATUS: Final = ("apiVersion", "kind", "metadata", "status")


def prepare_create(kind: Kind, obj: JSON) -> None:
    """Drop the status that a client sent, and begin the life of the object. A kubelet brings its node's along."""
    if kind.has_status and kind.stored_resource != "nodes":
        obj.pop("status", None)
        if (begun := _FIRST_STATUS.get(kind.stored_resource)) is not None:
            obj["status"] = dict(begun)
        if kind.stored_resource == "pods":
            obj["status"]["qosClass"] = _qos_class(obj)
        if kind.stored_resource == "persistentvolumes":
            obj["status"]["lastPhaseTransitionTime"] = _now()
    if kind.stored_resource == "namespaces":
        finalizers = (obj.setdefault("spec", {})).setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")
    if _counts_generations(kind):
        obj["metadata"]["generation"] = 1


def prepare_update(kind: Kind, new: JSON, old: JSON, subresource: str) -> None:
    """Put back what the path may not change: the status, or all but status and metadata."""
    match subresource:
        case "":
            if kind.has_status:
                _put_back(new, old, ("status",))
            if kind.stored_resource == "namespaces":
                _put_back(new.setdefault("spec", {}), old.get("spec") or {}, ("finalizers",))
        case "status":
            _put_back(new, old, tuple({*new, *old} - set(_KEPT_BY_STATUS)))
            if kind.custom is not None:
                labels = ("labels", "annotations", "ownerReferences", "finalizers")
                _put_back(new["metadata"], old["metadata"], labels)
            _record_transition(kind, new, old)
    if _counts_generations(kind) and _wanted(new) != _wanted(old):
        new["metadata"]["generation"] = int(old["metadata"].get("generation", 0)) + 1


def _put_back(new: JSON, old: JSON, fields: tuple[str, ...]) -> None:
    for field in fields:
        if field in old:
            new[field] = old[field]
        else:
            new.pop(field, None)


def _counts_generations(kind: Kind) -> bool:
    return kind.stored_resource not in _NO_GENERATION


def _wanted(obj: JSON) -> dict[str, Any]:
    """All that is not metadata or status: what a generation counts the changes of."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _record_transition(kind: Kind, new: JSON, old: JSON) -> None:
    if kind.stored_resource != "persistentvolumes":
        return
    status, before = new.get("status") or {}, old.get("status") or {}
    if status.get("phase") != before.get("phase"):
        new["status"] = {**status, "lastPhaseTransitionTime": _now()}
    elif "lastPhaseTransitionTime" in before:
        new["status"] = {**status, "lastPhaseTransitionTime": before["lastPhaseTransitionTime"]}


def _qos_class(pod: JSON) -> str:
    """BestEffort without any request or limit, Guaranteed with cpu and memory limited as requested, else Burstable."""
    resources = [each.get("resources") or {} for each in pod["spec"].get("containers") or ()]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    guaranteed = all(
        (each.get("limits") or {}).get(name)
        and (each.get("limits") or {}).get(name) == (each.get("requests") or {}).get(name)
        for each in resources
        for name in ("cpu", "memory")
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_FIRST_STATUS: Final[dict[str, JSON]] = {
    "persistentvolumes": {"phase": "Pending"},
    "persistentvolumeclaims": {"phase": "Pending"},
    "namespaces": {"phase": "Active"},
    "pods": {"phase": "Pending"},
}
