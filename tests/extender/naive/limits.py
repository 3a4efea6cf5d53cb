"""NodeVolumeLimits, node by node."""

import re
from collections import Counter
from urllib.parse import unquote

from tests.extender.naive.cluster import (
    IN_TREE,
    LABELS,
    FailedError,
    Object,
    State,
    Verdict,
    class_name,
    controlled,
    labels,
    volumes,
)

PROVISIONERS = {plugin: driver for plugin, driver, _ in IN_TREE.values()}
UNCOUNTED = ("kubernetes.io/azure-file", "kubernetes.io/vsphere-volume")


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
