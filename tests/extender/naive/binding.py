"""VolumeBinding, node by node."""

import re

from model.quantity import nanos, whole
from tests.extender.naive.cluster import (
    IN_TREE,
    LABELS,
    FailedError,
    Object,
    RejectedError,
    State,
    Verdict,
    annotations,
    claims,
    class_name,
    controlled,
    labels,
)
from tests.extender.naive.limits import handle_of


def binding_pre(pod: Object, cluster: State) -> tuple[list[Object], list[Object]] | None:
    namespace, found = pod["metadata"]["namespace"], []
    for name, ephemeral in claims(pod):
        claim = cluster.get("PersistentVolumeClaim", name, namespace)
        if claim is None and ephemeral:
            raise RejectedError(
                "UU", f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            )
        if claim is None:
            raise RejectedError("UU", f'persistentvolumeclaim "{name}" not found')
        if claim.get("status", {}).get("phase") == "Lost":
            volume = claim["spec"].get("volumeName") or ""
            raise RejectedError(
                "UU", f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
            )
        if "deletionTimestamp" in claim["metadata"]:
            raise RejectedError("UU", f'persistentvolumeclaim "{name}" is being deleted')
        if ephemeral and not controlled(claim, pod):
            mine = f"{namespace}/{pod['metadata']['name']}"
            raise RejectedError("UU", f"PVC {namespace}/{name} was not created for pod {mine} (pod is not owner)")
        found.append(claim)
    if not found:
        return None
    bound, delayed, immediate = [], [], []
    for claim in found:
        named = bool(claim["spec"].get("volumeName"))
        if named and "pv.kubernetes.io/bind-completed" in annotations(claim):
            bound.append(claim)
            continue
        storage_class = cluster.get("StorageClass", class_name(claim)) if class_name(claim) else None
        waits = storage_class is not None and storage_class["volumeBindingMode"] == "WaitForFirstConsumer"
        (delayed if waits and not named else immediate).append(claim)
    if immediate:
        raise RejectedError("UU", "pod has unbound immediate PersistentVolumeClaims")
    return bound, delayed


def binding(_pod: Object, facts: tuple[list[Object], list[Object]], cluster: State, node: Object) -> Verdict:
    bound, delayed = facts
    reasons = []
    conflict, missing = check_bound(bound, cluster, node)
    bindable, space = check_delayed(delayed, cluster, node)
    if conflict:
        reasons.append("node(s) didn't match PersistentVolume's node affinity")
    if not bindable:
        reasons.append("node(s) didn't find available persistent volumes to bind")
    if not space:
        reasons.append("node(s) did not have enough free storage")
    if missing:
        reasons.append("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
    return ("UU" if reasons else ""), tuple(reasons)


def check_bound(bound: list[Object], cluster: State, node: Object) -> tuple[bool, bool]:
    for claim in bound:
        volume = cluster.get("PersistentVolume", claim["spec"]["volumeName"])
        if volume is None:
            return False, True
        required = (volume["spec"].get("nodeAffinity") or {}).get("required")
        source = next((kind for kind in IN_TREE if kind in volume["spec"]), None)
        csi_node = cluster.get("CSINode", node["metadata"]["name"])
        migrated = annotations(csi_node or {"metadata": {}}).get("storage.alpha.kubernetes.io/migrated-plugins", "")
        if source and IN_TREE[source][0] in migrated.split(","):
            if handle_of(source, volume["spec"][source], labels(volume)) is None:
                raise FailedError("could not translate pv")
            required = translate(required, labels(volume), IN_TREE[source][2])
        if not reaches(required, node):
            return True, False
    return False, False


def translate(required: Object | None, volume_labels: dict[str, str], key: str) -> Object | None:
    if not key:
        return required
    terms = (required or {}).get("nodeSelectorTerms") or []
    written = [each for term in terms for each in term.get("matchExpressions") or []]
    mentioned = {each["key"] for each in written}
    valued = {each["key"] for each in written if each.get("values")}  # Exists names a key, but no zone to translate
    zone = next((each for each in (LABELS[2], LABELS[0]) if each in mentioned), None)
    zone = zone or next((each for each in (LABELS[2], LABELS[0]) if each in volume_labels), LABELS[2])
    renames = {LABELS[1]: LABELS[3]} if zone == LABELS[0] and LABELS[1] in valued else {}
    extra: list[Object] = []
    if zone in valued:
        renames[zone] = key
    elif zone in volume_labels:
        zones = [each for each in volume_labels[zone].split("__") if each]
        extra = [{"key": key, "operator": "In", "values": zones}] if zones else []
        terms = terms or ([{}] if zones else [])
    renamed = [
        {
            "matchExpressions": [
                *(
                    {**each, "key": renames.get(each["key"], each["key"])}
                    for each in term.get("matchExpressions") or []
                ),
                *extra,
            ],
            "matchFields": term.get("matchFields"),
        }
        for term in terms
    ]
    return {"nodeSelectorTerms": renamed} if renamed else required


def reaches(required: Object | None, node: Object) -> bool:
    if required is None:
        return True
    for term in required["nodeSelectorTerms"]:
        expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
        values = [value for each in expressions for value in each.get("values") or []]
        if any(not re.fullmatch(r"(\w([-\w.]{0,61}\w)?)?", value) or "_" in value[:1] + value[-1:] for value in values):
            continue
        if (expressions or fields) and all(holds(each, labels(node)) for each in expressions):
            return True
    return False


def holds(expression: Object, of: dict[str, str]) -> bool:
    value, values = of.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            try:
                have, bound = int(value or "x"), int(values[0])
            except ValueError:
                return False
            return bound < 2**63 and (have > bound if operator == "Gt" else have < bound)


def check_delayed(delayed: list[Object], cluster: State, node: Object) -> tuple[bool, bool]:
    """Whether everything can be bound or made, and whether there is space."""
    to_provision, to_match = [], []
    for claim in delayed:
        selected = annotations(claim).get("volume.kubernetes.io/selected-node")
        if selected is None:
            to_match.append(claim)
        elif selected != node["metadata"]["name"]:
            return False, True
        else:
            to_provision.append(claim)
    chosen: set[str] = set()
    for claim in sorted(to_match, key=request):
        volume = static_match(claim, cluster, node, chosen)
        if volume:
            chosen.add(volume["metadata"]["name"])
        else:
            to_provision.append(claim)
    for claim in to_provision:
        storage_class = cluster.get("StorageClass", class_name(claim))
        assert storage_class is not None
        if storage_class["provisioner"] in ("", "kubernetes.io/no-provisioner"):
            return False, True
        if not allowed(storage_class.get("allowedTopologies"), labels(node)):
            return False, True
        if not enough(claim, storage_class, cluster, node):
            return True, False
    return True, True


def request(claim: Object) -> int:
    return nanos(claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0"))


def capacity(volume: Object) -> int:
    return nanos(volume["spec"].get("capacity", {}).get("storage", "0"))


def static_match(claim: Object, cluster: State, node: Object, chosen: set[str]) -> Object | None:
    best = None
    # By name: which of several equals is taken is ours to say.
    for volume in sorted(cluster.all("PersistentVolume"), key=lambda each: str(each["metadata"]["name"])):
        spec, reference = volume["spec"], volume["spec"].get("claimRef")
        if class_name(volume) != class_name(claim) or volume["metadata"]["name"] in chosen:
            continue
        mine = (
            reference is not None
            and reference["name"] == claim["metadata"]["name"]
            and reference["namespace"] == claim["metadata"]["namespace"]
            and reference.get("uid") in (None, "", claim["metadata"]["uid"])
        )
        if reference and not mine:
            continue
        if capacity(volume) < request(claim) or "deletionTimestamp" in volume["metadata"]:
            continue
        if spec.get("volumeMode", "Filesystem") != claim["spec"].get("volumeMode", "Filesystem"):
            continue
        if (spec.get("volumeAttributesClassName") or "") != (claim["spec"].get("volumeAttributesClassName") or ""):
            continue
        fits = reaches((spec.get("nodeAffinity") or {}).get("required"), node)
        if mine:
            return volume if fits else None
        if volume.get("status", {}).get("phase") != "Available" or not fits:
            continue
        if not selects(claim["spec"].get("selector"), labels(volume)):
            continue
        if set(claim["spec"]["accessModes"]) - set(spec["accessModes"]):
            continue
        if best is None or capacity(volume) < capacity(best):
            best = volume
    return best


def selects(selector: Object | None, of: dict[str, str]) -> bool:
    if selector is None:
        return True
    exact = all(of.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(holds(each, of) for each in selector.get("matchExpressions") or [])


def allowed(terms: list[Object] | None, of: dict[str, str]) -> bool:
    if not terms:
        return True
    for term in terms:
        expressions = term.get("matchLabelExpressions") or []
        if expressions and all(of.get(each["key"]) in each["values"] for each in expressions):
            return True
    return False


def enough(claim: Object, storage_class: Object, cluster: State, node: Object) -> bool:
    size = claim["spec"].get("resources", {}).get("requests", {}).get("storage")
    driver = cluster.get("CSIDriver", storage_class["provisioner"])
    if size is None or driver is None or not driver["spec"].get("storageCapacity"):
        return True
    for each in cluster.all("CSIStorageCapacity"):
        limit = each.get("maximumVolumeSize", each.get("capacity"))
        if each["storageClassName"] != storage_class["metadata"]["name"] or limit is None:
            continue
        if "nodeTopology" in each and selects(each["nodeTopology"], labels(node)) and whole(limit) >= whole(size):
            return True
    return False
