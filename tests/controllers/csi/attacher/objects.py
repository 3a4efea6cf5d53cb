"""Attachments, and what is around them, as users and kube-controller-manager write them."""

from typing import Any

from model.meta import JSON
from tests.controllers.csi.beside import NAME
from tests.controllers.manifests import volume

FINALIZER = "external-attacher/a-csi"
NODE_ID = "csi.alpha.kubernetes.io/node-id"


def attachment(name: str = "att", *, node: str = "n1", attacher: str = NAME, **source: Any) -> JSON:
    """The wish to attach a volume, `v` unless another source is given."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": name},
        "spec": {"attacher": attacher, "nodeName": node, "source": source or {"persistentVolumeName": "v"}},
    }


def csi_node(name: str = "n1", **drivers: str) -> JSON:
    """A node with the driver, or with these by their names' first parts."""
    given = [{"name": driver, "nodeID": node_id} for driver, node_id in drivers.items()]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSINode",
        "metadata": {"name": name},
        "spec": {"drivers": given or [{"name": NAME, "nodeID": f"id-of-{name}"}]},
    }


def csi_volume(
    name: str = "v", *, handle: str = "", driver: str = NAME, source: JSON | None = None, **spec: Any
) -> JSON:
    """A volume of the driver."""
    return volume(name, csi={"driver": driver, "volumeHandle": handle or f"handle-of-{name}", **(source or {})}, **spec)


def secret(name: str = "s", **data: str) -> JSON:
    """A secret; values are base64."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "data": data}
