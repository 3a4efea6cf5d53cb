"""VolumeRestrictions, node by node."""

from tests.extender.naive.cluster import DISKS, Object, RejectedError, State, Verdict, claims, volumes

IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)


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
