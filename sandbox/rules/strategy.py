"""Who may write what: what a create may not set, and what each path of an update leaves as it is. All in place.

Source: "Objects in Kubernetes: spec and status", and the status subresource in the API conventions.
"""

from datetime import UTC, datetime
from typing import Any, Final

from model.meta import JSON
from sandbox.kinds import Kind
from sandbox.schema import decode

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

_OLD_SOURCES: Final = frozenset({("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot")})
"""What the older of a claim's two fields may name."""

_GATED: Final[JSON] = {
    "type": "PodScheduled",
    "status": "False",
    "lastProbeTime": None,
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}

_KEPT_BY_STATUS: Final = ("apiVersion", "kind", "metadata", "status")


def prepare_create(kind: Kind, obj: JSON) -> None:
    """Drop the status that a client sent, and begin the life of the object. A kubelet brings its node's along."""
    if kind.has_status and kind.stored_resource != "nodes":
        _begin_status(kind, obj)
    _drop_disabled(kind, obj, None)
    if kind.stored_resource == "namespaces":
        finalizers = (obj.setdefault("spec", {})).setdefault("finalizers", [])
        if "kubernetes" not in finalizers:
            finalizers.append("kubernetes")
    if _counts_generations(kind):
        obj["metadata"]["generation"] = 1


def _begin_status(kind: Kind, obj: JSON) -> None:
    obj.pop("status", None)
    empty = None if kind.custom else decode(kind, {}).value.get("status")
    if (begun := _FIRST_STATUS.get(kind.stored_resource)) is not None or empty is not None:
        obj["status"] = {**(empty or {}), **(begun or {})}
    match kind.stored_resource:
        case "pods":
            obj["status"]["qosClass"] = _qos_class(obj)
            if obj["spec"].get("schedulingGates"):
                obj["status"]["conditions"] = [{**_GATED, "lastTransitionTime": _now()}]
        case "persistentvolumes":
            obj["status"]["lastPhaseTransitionTime"] = _now()


def _drop_disabled(kind: Kind, obj: JSON, old: JSON | None) -> None:
    """Drop what needs a feature that is off by default, and agree a claim's two ways to name its source."""
    match kind.stored_resource:
        case "leases.coordination.k8s.io":
            for field in ("preferredHolder", "strategy"):
                (obj.get("spec") or {}).pop(field, None)
        case "persistentvolumeclaims":
            _agree_sources(obj.get("spec") or {}, (old or {}).get("spec") or {})


def _agree_sources(spec: JSON, old: JSON) -> None:
    if (spec.get("dataSourceRef") or {}).get("namespace") and old.get("dataSourceRef") is None:
        spec.pop("dataSourceRef")
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        had = old.get("dataSource") is not None or old.get("dataSourceRef") is not None
        if had or (source.get("apiGroup") or "", source.get("kind")) in _OLD_SOURCES:
            spec["dataSourceRef"] = dict(source)
        else:
            spec.pop("dataSource")
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = dict(reference)


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
    if not subresource:
        _drop_disabled(kind, new, old)
    counts = _counts_generations(kind) or kind.stored_resource == "csidrivers.storage.k8s.io"
    if counts and _wanted(new) != _wanted(old):
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
    said, held = (each.get("lastPhaseTransitionTime") for each in (status, before))
    if status.get("phase") != before.get("phase"):
        if said is None or said == held:
            new["status"] = {**status, "lastPhaseTransitionTime": _now()}
    elif said is None and held is not None:
        new["status"] = {**status, "lastPhaseTransitionTime": held}


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
