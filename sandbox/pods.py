"""What pods have besides: binding to a node, and eviction."""

from dataclasses import replace

from model.meta import JSON
from sandbox.attributes import Call
from sandbox.deletion import DeleteOptions, Deletion
from sandbox.errors import FieldError, bad_request, conflict, quote, unspecific
from sandbox.history import Key
from sandbox.kinds import Kind
from sandbox.pipeline import Pipeline, check_uid, timestamp
from sandbox.rules.names import dns_subdomain


async def bind(pipeline: Pipeline, kind: Kind, key: Key, binding: JSON, call: Call) -> None:
    """Put the pod on the binding's target.

    Raises:
        ApiError: 404; 409 where it has a node, is going, or is another pod of that name; 500 without a node.
    """
    metadata = binding.get("metadata") or {}
    if metadata.get("name") != key[1]:
        raise bad_request("name in URL does not match name in Binding object")
    binding = await pipeline.admit(kind, key, binding, call, "binding", _node)
    metadata, target = binding.get("metadata") or {}, _node(binding)

    def placed(pod: JSON) -> JSON:
        _check_bindable(kind, pod, metadata.get("uid") or "")
        held = pod["metadata"]
        # Labels are what admission adds: those of the node's topology.
        told = {name: {**(held.get(name) or {}), **(metadata.get(name) or {})} for name in ("labels", "annotations")}
        return {
            **pod,
            "metadata": {**held, **{name: values for name, values in told.items() if values}},
            "spec": {**pod["spec"], "nodeName": target},
            "status": _scheduled(pod.get("status") or {}, timestamp(pipeline.clock())),
        }

    await pipeline.change(kind, key, placed, call, "binding", admitted=True)


async def evict(pipeline: Pipeline, deletion: Deletion, kind: Kind, key: Key, eviction: JSON, call: Call) -> None:
    """Delete the pod as its eviction asks. Disruption budgets are not kept here: no controller counts for them.

    Raises:
        ApiError: as a deletion.
    """
    eviction = await pipeline.admit(kind, key, eviction, call, "eviction", lambda _: None)
    await deletion.delete(kind, key, DeleteOptions.read(eviction.get("deleteOptions")), call, admitted=True)


def _node(binding: JSON) -> str:
    """The name of the node that the binding is to.

    Raises:
        ApiError: it is to something else, or to nothing.
    """
    target = binding.get("target") or {}
    kind, name = target.get("kind") or "", target.get("name") or ""
    errors = []
    if kind not in ("", "Node"):
        errors.append(FieldError.not_supported("target.kind", kind, ["Node", "<empty>"]))
    if not name:
        errors.append(FieldError.required("target.name"))
    elif not errors:
        errors += [FieldError.invalid("target.name", name, why) for why in dns_subdomain(name)]
    if errors:
        messages = [error.message for error in errors]
        raise unspecific(messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]")
    return str(name)


def _check_bindable(kind: Kind, pod: JSON, uid: str) -> None:
    metadata, node = pod["metadata"], pod["spec"].get("nodeName")
    name, bindings = metadata["name"], replace(kind, plural=f"{kind.plural}/binding")
    check_uid(bindings, name, uid, pod)
    if "deletionTimestamp" in metadata:
        raise conflict(bindings, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if node:
        raise conflict(bindings, name, f"pod {name} is already assigned to node {quote(node)}")


def _scheduled(status: JSON, now: str) -> JSON:
    others = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    return {**status, "conditions": [*others, condition]}
