"""Priority, DefaultTolerationSeconds and PodTopologyLabels."""

from typing import Final

from model.meta import JSON
from model.names import REGION, ZONE
from sandbox.admission.plugins.refusal import refused
from sandbox.attributes import Attributes, Operation
from sandbox.store import Store

_CLASSES: Final = "priorityclasses.scheduling.k8s.io"
_TOLERATED_SECONDS: Final = 300
_TROUBLES: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def priority(store: Store, request: Attributes, pod: JSON) -> JSON:
    """Resolve the priority class of a new pod; keep on updates what was resolved.

    Raises:
        ApiError: 403, there is no such class, or the pod says other than it.
    """
    if not _is_pod(request):
        return pod
    if request.operation is Operation.UPDATE:
        kept = {name: value for name, value in _resolved(request.old).items() if pod["spec"].get(name) is None}
        return _with_spec(pod, kept)
    return _with_spec(pod, _resolve(store, request, pod["spec"]))


def _resolved(pod: JSON | None) -> JSON:
    spec = (pod or {}).get("spec") or {}
    return {name: spec[name] for name in ("priority", "preemptionPolicy") if spec.get(name) is not None}


def _resolve(store: Store, request: Attributes, spec: JSON) -> JSON:
    found = _class_of(store, request, spec.get("priorityClassName") or "")
    value, policy = found.get("value", 0), found.get("preemptionPolicy")
    computed = "priority admission controller computed {} from the given PriorityClass name"
    if spec.get("priority") not in (None, value):
        why = f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
        raise refused(request, why + computed.format(value))
    if policy and spec.get("preemptionPolicy") not in (None, policy):
        why = f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
        raise refused(request, why + computed.format(policy))
    named = {"priorityClassName": found["metadata"]["name"]} if "metadata" in found else {}
    return {**named, "priority": value, **({"preemptionPolicy": policy} if policy else {})}


def _class_of(store: Store, request: Attributes, name: str) -> JSON:
    if not name:
        return _default(store) or {"value": 0, "preemptionPolicy": "PreemptLowerPriority"}
    record = store.get(_CLASSES, ("", name))
    if record is None:
        raise refused(request, f"no PriorityClass with name {name} was found")
    return record.value


def _default(store: Store) -> JSON | None:
    """The global default; of several the lowest."""
    defaults = [record.value for record in store.records(_CLASSES) if record.value.get("globalDefault")]
    return min(defaults, key=lambda each: int(each.get("value", 0)), default=None)


def only_default_priority(store: Store, request: Attributes) -> None:
    """Refuse a second global default among the priority classes.

    Raises:
        ApiError: 403.
    """
    if request.kind.stored_resource != _CLASSES or request.obj is None or not request.obj.get("globalDefault"):
        return
    default = _default(store)
    if default is None:
        return
    name = default["metadata"]["name"]
    if request.operation is Operation.CREATE or name != request.name:
        raise refused(request, f"PriorityClass {name} is already marked as default. Only one default can exist")


def default_toleration_seconds(_: Store, request: Attributes, pod: JSON) -> JSON:
    """Let pods stay 300 s on a node that is not ready or unreachable, if they do not say otherwise."""
    if not _is_pod(request):
        return pod
    held = pod["spec"].get("tolerations") or []
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_SECONDS}
        for key in _TROUBLES
        if not any(_covers(each, key) for each in held)
    ]
    return _with_spec(pod, {"tolerations": [*held, *added]}) if added else pod


def _covers(toleration: JSON, key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")


def topology_labels(store: Store, request: Attributes, obj: JSON) -> JSON:
    """Copy zone and region of the node to a pod that is bound to it, through its binding."""
    if request.kind.stored_resource != "pods" or request.operation is not Operation.CREATE:
        return obj
    match request.subresource:
        case "":
            node = (obj.get("spec") or {}).get("nodeName", "")
        case "binding":
            target = obj.get("target") or {}
            node = target.get("name", "") if target.get("kind") == "Node" else ""
        case _:
            node = ""
    record = store.get("nodes", ("", node)) if node else None
    labels = (record.value["metadata"].get("labels") or {}) if record else {}
    copied = {key: labels[key] for key in (ZONE, REGION) if key in labels}
    if not copied:
        return obj
    metadata = obj.get("metadata") or {}
    return {**obj, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **copied}}}


def _is_pod(request: Attributes) -> bool:
    written = request.operation in (Operation.CREATE, Operation.UPDATE)
    return request.kind.stored_resource == "pods" and not request.subresource and written


def _with_spec(pod: JSON, values: JSON) -> JSON:
    return {**pod, "spec": {**pod["spec"], **values}} if values else pod
