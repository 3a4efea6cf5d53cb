"""The four volume filters node by node over plain JSON, written straight from the reference, sharing nothing.

Slow and simple on purpose: it is what the masks are compared with. Answers status and reasons of each node:
"" passes, "U" could be cured by eviction, "UU" could not, and E raises.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from model.quantity import nanos, whole

Object = dict[str, Any]
Verdict = tuple[str, tuple[str, ...]]

LABELS = (
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
)
DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")
IN_TREE = {  # source: plugin, driver, topology key
    "awsElasticBlockStore": ("kubernetes.io/aws-ebs", "ebs.csi.aws.com", "topology.ebs.csi.aws.com/zone"),
    "gcePersistentDisk": ("kubernetes.io/gce-pd", "pd.csi.storage.gke.io", "topology.gke.io/zone"),
    "azureDisk": ("kubernetes.io/azure-disk", "disk.csi.azure.com", ""),
    "cinder": ("kubernetes.io/cinder", "cinder.csi.openstack.org", "topology.cinder.csi.openstack.org/zone"),
    "portworxVolume": ("kubernetes.io/portworx-volume", "pxd.portworx.com", ""),
}
PROVISIONERS = {plugin: driver for plugin, driver, _ in IN_TREE.values()}
UNCOUNTED = ("kubernetes.io/azure-file", "kubernetes.io/vsphere-volume")
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


class FailedError(Exception):
    """E: the whole attempt fails."""


class RejectedError(Exception):
    """A verdict of PreFilter on every node: status, reason."""


@dataclass
class State:
    """Objects by kind and key."""

    objects: dict[str, dict[str, Object]] = field(default_factory=dict)

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        return self.objects.get(kind, {}).get(f"{namespace}/{name}")

    def all(self, kind: str) -> list[Object]:
        return list(self.objects.get(kind, {}).values())

    def pods_on(self, node: str) -> list[Object]:
        return [pod for pod in self.placed() if pod["spec"]["nodeName"] == node]

    def placed(self) -> list[Object]:
        return [
            pod
            for pod in self.all("Pod")
            if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]


def state(objects: Iterable[Object]) -> State:
    made = State()
    for obj in objects:
        metadata = obj["metadata"]
        made.objects.setdefault(obj["kind"], {})[f"{metadata.get('namespace', '')}/{metadata['name']}"] = obj
    return made


def evaluate(pod: Object, cluster: State, nodes: Iterable[str]) -> dict[str, Verdict]:
    """Status and reasons by node."""
    filters, remembered = [], None
    for prefilter, filter_ in (
        (restrictions_pre, restrictions),
        (skip_limits, limits),
        (binding_pre, binding),
        (zone_pre, zone),
    ):
        try:
            facts = prefilter(pod, cluster)
        except RejectedError as rejected:
            status, reason = rejected.args
            if status == "UU":
                return dict.fromkeys(nodes, (status, (reason,)))
            remembered = remembered or (status, (reason,))
            continue
        if facts is not None:
            filters.append((filter_, facts))
    if remembered:
        return dict.fromkeys(nodes, remembered)
    return {name: _one(pod, cluster, name, filters) for name in nodes}


def _one(pod: Object, cluster: State, name: str, filters: list[Any]) -> Verdict:
    node = cluster.get("Node", name)
    assert node is not None
    for filter_, facts in filters:
        status, reasons = filter_(pod, facts, cluster, node)
        if status:
            return status, reasons
    return "", ()


# --- reading ---


def labels(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def volumes(pod: Object) -> list[Object]:
    return pod["spec"].get("volumes") or []


def class_name(obj: Object) -> str:
    beta = annotations(obj).get("volume.beta.kubernetes.io/storage-class")
    return beta if beta is not None else obj["spec"].get("storageClassName") or ""


def claims(pod: Object) -> Iterator[tuple[str, bool]]:
    for volume in volumes(pod):
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"], False
        elif "ephemeral" in volume:
            yield f"{pod['metadata']['name']}-{volume['name']}", True


def controlled(claim: Object, pod: Object) -> bool:
    owners = claim["metadata"].get("ownerReferences") or []
    controllers = [owner for owner in owners if owner.get("controller")]
    return bool(controllers) and controllers[0]["uid"] == pod["metadata"].get("uid", "")


# --- VolumeRestrictions ---


def restrictions_pre(pod: Object, cluster: State) -> int | None:
    namespace, exclusive = pod["metadata"]["namespace"], set()
    for name, ephemeral in claims(pod):
        if ephemeral:
            continue
        claim = cluster.get("PersistentVolumeClaim", name, namespace)
        if claim is None:
            raise RejectedError("UU", f'persistentvolumeclaim "{name}" not found')
        if "ReadWriteOncePod" in claim["spec"]["accessModes"]:
            exclusive.add(name)
    count = 0
    for name in exclusive:
        count += any(
            other["metadata"]["namespace"] == namespace and (name, False) in claims(other) for other in cluster.placed()
        )
    inline = any(kind in volume for volume in volumes(pod) for kind in DISKS)
    return count if inline or count else None


def restrictions(pod: Object, count: int, cluster: State, node: Object) -> Verdict:
    for other in cluster.pods_on(node["metadata"]["name"]):
        for mine in volumes(pod):
            for theirs in volumes(other):
                if any(kind in mine and kind in theirs and same(kind, mine[kind], theirs[kind]) for kind in DISKS):
                    return "U", ("node(s) had no available disk",)
    if count:
        return "U", (IN_USE,)
    return "", ()


def same(kind: str, one: Object, other: Object) -> bool:
    read_only = one.get("readOnly", False) and other.get("readOnly", False)
    match kind:
        case "gcePersistentDisk":
            return one["pdName"] == other["pdName"] and not read_only
        case "awsElasticBlockStore":
            return bool(one["volumeID"] == other["volumeID"])
        case "iscsi":
            return one["iqn"] == other["iqn"] and not read_only
        case _:
            image = (one.get("pool", "rbd"), one["image"]) == (other.get("pool", "rbd"), other["image"])
            return image and bool(set(one["monitors"]) & set(other["monitors"])) and not read_only


# --- NodeVolumeLimits ---


def skip_limits(pod: Object, _cluster: State) -> bool | None:
    wanted = ("persistentVolumeClaim", "ephemeral", *IN_TREE)
    return True if any(kind in volume for volume in volumes(pod) for kind in wanted) else None


def limits(pod: Object, _facts: bool, cluster: State, node: Object) -> Verdict:
    name = node["metadata"]["name"]
    csi_node = cluster.get("CSINode", name)
    new = counted(pod, cluster, csi_node, is_new=True)
    if not new:
        return "", ()
    limit = {}
    for driver in (csi_node or {"spec": {}})["spec"].get("drivers") or []:
        if (driver.get("allocatable") or {}).get("count") is not None:
            limit[driver["name"]] = driver["allocatable"]["count"]
    if not limit:
        return "", ()
    present: dict[str, str] = {}
    for other in cluster.pods_on(name):
        present.update(counted(other, cluster, csi_node, is_new=False))
    used = Counter(present.values())
    attached = {}
    for attachment in cluster.all("VolumeAttachment"):
        spec = attachment["spec"]
        volume = cluster.get("PersistentVolume", spec["source"].get("persistentVolumeName") or "")
        if spec["nodeName"] == name and spec["attacher"] and volume and "csi" in volume["spec"]:
            attached[f"{spec['attacher']}/{volume['spec']['csi']['volumeHandle']}"] = spec["attacher"]
    used.update(driver for key, driver in attached.items() if key not in present)
    for driver, count in Counter(driver for key, driver in new.items() if key not in present).items():
        if driver in limit and used[driver] + count > limit[driver]:
            return "U", ("node(s) exceed max volume count",)
    return "", ()


def counted(pod: Object, cluster: State, csi_node: Object | None, *, is_new: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for volume in volumes(pod):
        inline = next((kind for kind in IN_TREE if kind in volume), None)
        if "persistentVolumeClaim" in volume or "ephemeral" in volume:
            slot = claim_slot(pod, volume, cluster, csi_node, is_new=is_new)
        elif inline and csi_node:
            handle = handle_of(inline, volume[inline], {})
            if handle is None:
                raise FailedError(f"converting volume({volume['name']}) from inline to csi")
            slot = (IN_TREE[inline][1], handle)
        else:
            slot = None
        if slot:
            found["/".join(slot)] = slot[0]
    return found


def claim_slot(
    pod: Object, volume: Object, cluster: State, csi_node: Object | None, *, is_new: bool
) -> tuple[str, str] | None:
    namespace, ephemeral = pod["metadata"]["namespace"], "ephemeral" in volume
    name = f"{pod['metadata']['name']}-{volume['name']}" if ephemeral else volume["persistentVolumeClaim"]["claimName"]
    claim = cluster.get("PersistentVolumeClaim", name, namespace)
    if claim is None:
        assert not is_new, "the pod was rejected before"
        return None
    if ephemeral and not controlled(claim, pod):
        raise FailedError("pod is not owner")
    bound = cluster.get("PersistentVolume", claim["spec"].get("volumeName") or "")
    if bound:
        if "csi" in bound["spec"]:
            return bound["spec"]["csi"]["driver"], bound["spec"]["csi"]["volumeHandle"]
        source = next((kind for kind in IN_TREE if kind in bound["spec"]), None)
        handle = handle_of(source, bound["spec"][source], labels(bound)) if source and csi_node else None
        return (IN_TREE[source][1], handle) if source and handle else None
    storage_class = cluster.get("StorageClass", class_name(claim)) if class_name(claim) else None
    if storage_class is None or storage_class["provisioner"] in UNCOUNTED:
        return None
    provisioner = storage_class["provisioner"]
    if provisioner in PROVISIONERS:
        return (PROVISIONERS[provisioner], f"RANDOM-{namespace}/{name}") if csi_node else None
    return provisioner, f"RANDOM-{namespace}/{name}"


def handle_of(source: str, spec: Object, volume_labels: dict[str, str]) -> str | None:
    """The CSI handle; None where the translation fails."""
    match source:
        case "awsElasticBlockStore":
            if not spec["volumeID"].startswith("aws://"):
                return str(spec["volumeID"])
            return ebs_handle(spec["volumeID"].removeprefix("aws://").partition("#")[0].partition("?")[0])
        case "gcePersistentDisk":
            listed = volume_labels.get(LABELS[0]) or volume_labels.get(LABELS[2]) or ""
            if "__" not in listed:
                return f"projects/UNSPECIFIED/zones/{listed or 'UNSPECIFIED'}/disks/{spec['pdName']}"
            regions = {zone.rsplit("-", 1)[0] if zone.count("-") == 2 else None for zone in listed.split("__")}
            region = regions.pop()
            return None if regions or not region else f"projects/UNSPECIFIED/regions/{region}/disks/{spec['pdName']}"
        case "azureDisk":
            return str(spec["diskURI"]) if spec.get("kind", "Managed").lower() == "managed" else None
        case _:
            return str(spec["volumeID"])


def ebs_handle(location: str) -> str | None:
    if any(not re.match("[0-9A-Fa-f]{2}", rest) for rest in location.split("%")[1:]):
        return None
    path = unquote("/".join(location.split("/")[1:])).strip("/")
    return path if path.startswith("vol-") and "/" not in path else None


# --- VolumeBinding ---


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


# --- VolumeZone ---


def zone_pre(pod: Object, cluster: State) -> list[tuple[str, set[str]]] | None:
    constraints = []
    for name, ephemeral in claims(pod):
        if ephemeral:
            continue
        claim = cluster.get("PersistentVolumeClaim", name, pod["metadata"]["namespace"])
        assert claim is not None
        if not claim["spec"].get("volumeName"):
            continue  # VolumeBinding has rejected all that do not wait for the pod
        volume = cluster.get("PersistentVolume", claim["spec"]["volumeName"])
        if volume is None:
            raise RejectedError("UU", f'persistentvolume "{claim["spec"]["volumeName"]}" not found')
        for key in LABELS:
            values = {each.strip() for each in labels(volume).get(key, "").split("__")}
            if "" not in values:
                constraints.append((key, values))
    return constraints or None


def zone(_pod: Object, constraints: list[tuple[str, set[str]]], _cluster: State, node: Object) -> Verdict:
    of = labels(node)
    if not any(key in of for key in LABELS):
        return "", ()
    for key, values in constraints:
        value = of.get(key)
        if value is None and "beta" in key:
            value = of.get(key.replace("failure-domain.beta", "topology"))
        if value not in values:
            return "UU", ("node(s) had no available volume zone",)
    return "", ()
