"""The tables of what makes pods, and of what is said about them."""

from typing import Any

from sandbox.tables.cells import NONE, Printer, View, age, columns, containers, labels, name_of, selector

JSON = dict[str, Any]

_TEMPLATE = ("Containers", "Images")
_COUNTS = dict.fromkeys(
    ("desired", "current", "ready", "uptodate", "available", "alloweddisruptions", "value"), "integer"
)


def _replicas(obj: JSON, view: View) -> list[Any]:
    """Replica sets and replication controllers."""
    spec, status = obj["spec"], obj.get("status", {})
    chosen = labels(spec.get("selector")) if obj["kind"] == "ReplicationController" else selector(spec.get("selector"))
    return [
        name_of(obj),
        spec.get("replicas", 0),
        status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, view),
        *containers(spec.get("template")),
        chosen,
    ]


def _deployment(obj: JSON, view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    return [
        name_of(obj),
        f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0),
        status.get("availableReplicas", 0),
        age(obj, view),
        *containers(spec.get("template")),
        selector(spec.get("selector")).replace(NONE, ""),
    ]


def _stateful_set(obj: JSON, view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [name_of(obj), ready, age(obj, view), *containers(spec.get("template"))]


_DAEMON_COUNTS = (
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
)


def _daemon_set(obj: JSON, view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    return [
        name_of(obj),
        *(status.get(each, 0) for each in _DAEMON_COUNTS),
        labels((spec.get("template", {}).get("spec") or {}).get("nodeSelector")),
        age(obj, view),
        *containers(spec.get("template")),
        selector(spec.get("selector")),
    ]


def _pod_template(obj: JSON, _view: View) -> list[Any]:
    template = obj.get("template") or {}
    return [name_of(obj), *containers(template), labels((template.get("metadata") or {}).get("labels"))]


def _revision(obj: JSON, view: View) -> list[Any]:
    owners = obj["metadata"].get("ownerReferences") or ()
    owner = next((each for each in owners if each.get("controller")), None)
    controller = NONE
    if owner:
        group = owner.get("apiVersion", "").rpartition("/")[0]
        kind = f"{owner.get('kind', '')}.{group}" if group else owner.get("kind", "")
        controller = f"{kind.lower()}/{owner.get('name', '')}"
    return [name_of(obj), controller, obj.get("revision", 0), age(obj, view)]


def _disruption_budget(obj: JSON, view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    bounds = [str(spec[each]) if each in spec else "N/A" for each in ("minAvailable", "maxUnavailable")]
    return [name_of(obj), *bounds, status.get("disruptionsAllowed", 0), age(obj, view)]


def _priority_class(obj: JSON, view: View) -> list[Any]:
    return [
        name_of(obj),
        obj.get("value", 0),
        obj.get("globalDefault", False),
        age(obj, view),
        obj.get("preemptionPolicy", ""),
    ]


_REPLICAS = Printer(columns("Desired", "Current", "Ready", "Age", wide=(*_TEMPLATE, "Selector"), **_COUNTS), _replicas)

PRINTERS = {
    "replicationcontrollers": _REPLICAS,
    "replicasets.apps": _REPLICAS,
    "deployments.apps": Printer(
        columns("Ready", "Up-to-date", "Available", "Age", wide=(*_TEMPLATE, "Selector")), _deployment
    ),
    "statefulsets.apps": Printer(columns("Ready", "Age", wide=_TEMPLATE), _stateful_set),
    "daemonsets.apps": Printer(
        columns(
            *("Desired", "Current", "Ready", "Up-to-date", "Available", "Node Selector", "Age"),
            wide=(*_TEMPLATE, "Selector"),
            **_COUNTS,
        ),
        _daemon_set,
    ),
    "podtemplates": Printer(columns(*_TEMPLATE, "Pod Labels"), _pod_template),
    "controllerrevisions.apps": Printer(columns("Controller", "Revision", "Age"), _revision),
    "poddisruptionbudgets.policy": Printer(
        columns("Min Available", "Max Unavailable", "Allowed Disruptions", "Age", **_COUNTS), _disruption_budget
    ),
    "priorityclasses.scheduling.k8s.io": Printer(
        columns("Value", "Global-Default", "Age", "PreemptionPolicy", globaldefault="boolean", **_COUNTS),
        _priority_class,
    ),
}
