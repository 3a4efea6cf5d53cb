"""What the scheduler writes about pods: conditions and events, as kube-scheduler words them."""

import hashlib
from datetime import datetime
from typing import Final

from model.meta import JSON
from sandbox.scheduler.diagnosis import cut
from sandbox.scheduler.views import Pod

UNSCHEDULABLE: Final = "Unschedulable"
ERROR: Final = "SchedulerError"
_LONGEST_BASE: Final = 200


def event(about: Pod, type_: str, reason: str, action: str, note: str, now: datetime) -> JSON:
    """An events.k8s.io Event. The same thing said again has the same name, so that it becomes a series."""
    note = cut(note)
    told = hashlib.sha256(f"{about.uid}\0{reason}\0{note}".encode()).hexdigest()[:16]
    return {
        "metadata": {"name": f"{about.name[:_LONGEST_BASE]}.{told}", "namespace": about.namespace},
        "regarding": {
            "kind": "Pod",
            "apiVersion": "v1",
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
            "resourceVersion": about.metadata.resource_version,
        },
        "type": type_,
        "reason": reason,
        "action": action,
        "note": note,
        "eventTime": micro_time(now),
        "reportingController": about.spec.scheduler_name,
        "reportingInstance": f"{about.spec.scheduler_name}-lading-sandbox",
    }


def repeated(old: JSON, now: datetime) -> JSON:
    """The event, told once more."""
    count = int((old.get("series") or {}).get("count", 1)) + 1
    return {**old, "series": {"count": count, "lastObservedTime": micro_time(now)}}


def refused(pod: JSON, reason: str, message: str, nominated: str | None, now: str) -> JSON:
    """The pod with PodScheduled False; `nominated` is where room is being made, "" for nowhere, None to leave it."""
    status = dict(pod.get("status") or {})
    if nominated is not None:
        status.pop("nominatedNodeName", None)
        status |= {"nominatedNodeName": nominated} if nominated else {}
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {**pod, "status": _with_condition(status, condition, now)}


def disrupted(pod: JSON, preemptor: Pod, now: str) -> JSON:
    """The victim with the condition that says why it is going."""
    message = f"{preemptor.spec.scheduler_name}: preempting to accommodate a higher priority pod"
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": message,
    }
    return {**pod, "status": _with_condition(dict(pod.get("status") or {}), condition, now)}


def micro_time(at: datetime) -> str:
    """RFC 3339 with microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _with_condition(status: JSON, condition: JSON, now: str) -> JSON:
    conditions = list(status.get("conditions") or ())
    before: JSON = next((each for each in conditions if each.get("type") == condition["type"]), {})
    same = before.get("status") == condition["status"] and before.get("lastTransitionTime")
    new = {"lastProbeTime": None, "lastTransitionTime": same or now, **condition}
    others = [each for each in conditions if each is not before]
    return {**status, "conditions": [*others, new]}
