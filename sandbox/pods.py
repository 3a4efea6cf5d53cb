"""What pods have besides: binding to a node, and eviction."""

from model.meta import JSON
from sandbox.attributes import Call
from sandbox.deletion import DeleteOptions, Deletion
from sandbox.errors import FieldError, bad_request, conflict, invalid
from sandbox.history import Key
from sandbox.kinds import Kind
from sandbox.pipeline import Pipeline, timestamp


async def bind(pipeline: Pipeline, kind: Kind, key: Key, binding: JSON, call: Call) -> None:
    """Put the pod on the binding's target.

    Raises:
        ApiError: 404; 409 where it has a node, is going, or is another pod of that name; 422 without a target.
    """
    target = (binding.get("target") or {}).get("name", "")
    metadata = binding.get("metadata") or {}
    if metadata.get("name") not in (None, "", key[1]):
        raise bad_request("name in URL does not match name in Binding object")
    if not target:
        raise invalid(kind, key[1], [FieldError.required("target.name")])

    def placed(pod: JSON) -> JSON:
        _check_bindable(kind, pod, metadata.get("uid") or "")
        held = pod["metadata"]
        annotations = {**(held.get("annotations") or {}), **(metadata.get("annotations") or {})}
        return {
            **pod,
            "metadata": {**held, **({"annotations": annotations} if annotations else {})},
            "spec": {**pod["spec"], "nodeName": target},
            "status": _scheduled(pod.get("status") or {}, timestamp(pipeline.clock())),
        }

    await pipeline.change(kind, key, placed, call, "binding")


async def evict(deletion: Deletion, kind: Kind, key: Key, eviction: JSON, call: Call) -> None:
    """Delete the pod as its eviction asks. Disruption budgets are not kept here: no controller counts for them.

    Raises:
        ApiError: as a deletion.
    """
    await deletion.delete(kind, key, DeleteOptions.read(eviction.get("deleteOptions")), call)


def _check_bindable(kind: Kind, pod: JSON, uid: str) -> None:
    metadata, node = pod["metadata"], pod["spec"].get("nodeName")
    if uid and uid != metadata["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
        raise conflict(kind, metadata["name"], why)
    if "deletionTimestamp" in metadata:
        raise conflict(kind, metadata["name"], f"pod {metadata['name']} is being deleted, cannot be assigned to a host")
    if node:
        raise conflict(kind, metadata["name"], f'pod {metadata["name"]} is already assigned to node "{node}"')


def _scheduled(status: JSON, now: str) -> JSON:
    others = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
    condition = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    return {**status, "conditions": [*others, condition]}
