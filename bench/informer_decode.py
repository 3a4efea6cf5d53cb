"""How fast the informer turns what the API server sends into typed views, against orjson.loads of the same bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson

from bench.measure import Result, Stopwatch, compare
from kube.decode import Decoder, Shown
from kube.metrics import Metrics
from model.meta import JSON
from model.resources import PODS, VOLUMES, Resource

OBJECTS: Final = 5000
FLOOR: Final = "orjson.loads of the same bytes"


async def run(_folder: Path) -> list[Result]:
    """Watch events and a whole list, of pods and of volumes, as large as a cluster's are."""
    results = list[Result]()
    measured: tuple[tuple[Resource[Any], Callable[[int], JSON]], ...] = ((PODS, _pod), (VOLUMES, _volume))
    for resource, make in measured:
        results += [await _events(resource, make), await _page(resource, make)]
    return results


async def _events(resource: Resource[Any], make: Callable[[int], JSON]) -> Result:
    lines = [orjson.dumps({"type": "MODIFIED", "object": make(number)}) + b"\n" for number in range(OBJECTS)]
    decoder = Decoder(resource, Metrics().requests)

    async def ours() -> float:
        clock = Stopwatch()
        if not all(isinstance(decoder.event(line), Shown) for line in lines):
            raise RuntimeError("an event was not read")
        return clock.rate(OBJECTS)

    async def floor() -> float:
        clock = Stopwatch()
        for line in lines:
            orjson.loads(line)
        return clock.rate(OBJECTS)

    size = sum(map(len, lines)) / OBJECTS
    return await compare(f"watch events of {resource.plural}, {size:,.0f} bytes each", "events/s", ours, floor, FLOOR)


async def _page(resource: Resource[Any], make: Callable[[int], JSON]) -> Result:
    items = [make(number) for number in range(OBJECTS)]
    body = orjson.dumps({"kind": f"{resource.kind}List", "metadata": {"resourceVersion": "1"}, "items": items})
    decoder = Decoder(resource, Metrics().requests)

    async def ours() -> float:
        clock = Stopwatch()
        if len(decoder.page(body).items) != OBJECTS:
            raise RuntimeError("an item was not read")
        return clock.rate(OBJECTS)

    async def floor() -> float:
        clock = Stopwatch()
        orjson.loads(body)
        return clock.rate(OBJECTS)

    return await compare(f"a list of {OBJECTS:,} {resource.plural}", "objects/s", ours, floor, FLOOR)


def _pod(number: int) -> JSON:
    mounts = [{"name": name, "mountPath": f"/srv/{name}"} for name in ("data", "config", "kube-api-access-x7k2p")]
    variables = [{"name": f"SETTING_{each}", "value": "some value"} for each in range(10)]
    quantities = {"cpu": "250m", "memory": "512Mi"}
    container = {
        "name": "app",
        "image": "registry.example.com/team/app:1.2.3",
        "env": variables,
        "resources": {"requests": quantities, "limits": quantities},
        "volumeMounts": mounts,
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3},
    }
    conditions = [
        {"type": each, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}
        for each in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    return {
        "metadata": _metadata("app", number),
        "spec": {
            "nodeName": f"node-{number % 1000}",
            "schedulerName": "default-scheduler",
            "containers": [container, {**container, "name": "sidecar"}],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": f"data-app-{number}"}},
                {"name": "config", "configMap": {"name": "app-config", "defaultMode": 420}},
            ],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}],
        },
        "status": {"phase": "Running", "conditions": conditions, "podIP": "10.0.0.1", "qosClass": "Guaranteed"},
    }


def _volume(number: int) -> JSON:
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [f"zone-{number % 3}"]}
    claim = {"kind": "PersistentVolumeClaim", "namespace": "team", "name": f"data-app-{number}", "uid": f"uid-{number}"}
    attributes = {"storage.kubernetes.io/csiProvisionerIdentity": "1700000000000-1234-disk.csi.example.com"}
    return {
        "metadata": _metadata("pvc", number),
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast",
            "claimRef": claim,
            "csi": {"driver": "disk.csi.example.com", "volumeHandle": f"vol-{number}", "volumeAttributes": attributes},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound"},
    }


def _metadata(kind: str, number: int) -> JSON:
    """With the owners of its fields, which are a good part of what an API server sends."""
    fields: dict[str, Any] = {f"f:field-{each}": {"f:nested": {}, "f:other": {}} for each in range(20)}
    owner = {
        "manager": "kube-controller-manager",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": fields, "f:spec": fields},
    }
    return {
        "name": f"{kind}-{number}",
        "namespace": "team",
        "uid": f"00000000-0000-0000-0000-{number:012d}",
        "resourceVersion": str(1_000_000 + number),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {
            "app.kubernetes.io/name": kind,
            "app.kubernetes.io/part-of": "team",
            "pod-template-hash": "7d9c6b5f4",
        },
        "managedFields": [owner, {**owner, "manager": "kubelet", "subresource": "status"}],
    }
