"""VolumeZone, node by node."""

from tests.extender.naive.cluster import LABELS, Object, RejectedError, State, Verdict, claims, labels


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
