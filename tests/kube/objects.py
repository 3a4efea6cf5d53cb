"""Objects for tests of kube/, as JSON and as views."""

import msgspec

from model.meta import JSON
from model.workloads import Node


def node_json(name: str, version: int = 1, uid: str = "", **labels: str) -> JSON:
    metadata = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata}


def node(name: str, version: int = 1, uid: str = "", **labels: str) -> Node:
    return msgspec.convert(node_json(name, version, uid, **labels), Node)


def node_list(*items: JSON, version: int = 1, more: str = "") -> JSON:
    return {
        "kind": "NodeList",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": str(version), **({"continue": more} if more else {})},
        "items": list(items),
    }


def event(kind: str, obj: JSON) -> JSON:
    return {"type": kind, "object": obj}


def bookmark(version: int, *, complete: bool = False) -> JSON:
    annotations = {"k8s.io/initial-events-end": "true"} if complete else {}
    metadata = {"resourceVersion": str(version), "annotations": annotations}
    return event("BOOKMARK", {"kind": "Node", "apiVersion": "v1", "metadata": metadata})
