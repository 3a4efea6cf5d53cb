"""Objects that the tests write."""

import orjson


def manifest(kind, name, api_version="v1", **content):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}} | content


def text(*objects):
    """As kubectl reads them."""
    return orjson.dumps({"apiVersion": "v1", "kind": "List", "items": objects}).decode()


def config_map(name, labels=None, **data):
    obj = manifest("ConfigMap", name, **({"data": data} if data else {}))
    obj["metadata"] |= {"labels": labels} if labels else {}
    return obj


def storage_class(name, **content):
    return manifest("StorageClass", name, "storage.k8s.io/v1", provisioner="csi.demo.io", **content)


def claim(name, class_name="", size="1Gi", **spec):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}} | spec
    return manifest("PersistentVolumeClaim", name, spec=spec | ({"storageClassName": class_name} if class_name else {}))


def volume(name, class_name="", size="5Gi"):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size},
        "persistentVolumeReclaimPolicy": "Retain",
        "csi": {"driver": "csi.demo.io", "volumeHandle": name},
    }
    return manifest("PersistentVolume", name, spec=spec | ({"storageClassName": class_name} if class_name else {}))


def pod(name, claims=(), **spec):
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    container = {"name": "main", "image": "demo/app:1"}
    return manifest("Pod", name, spec={"containers": [container], "volumes": volumes} | spec)


def deployment(name, replicas=1):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "demo/app:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return manifest("Deployment", name, "apps/v1", spec=spec)


SIZES = {"type": "string", "enum": ["S", "M", "L"], "default": "M"}
GADGETS = manifest(
    "CustomResourceDefinition",
    "gadgets.demo.io",
    "apiextensions.k8s.io/v1",
    spec={
        "group": "demo.io",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"], "categories": ["all"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count"},
                },
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "string", "jsonPath": ".spec.size"},
                    {"name": "Count", "type": "integer", "jsonPath": ".spec.count", "priority": 1},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"size": SIZES, "count": {"type": "integer", "minimum": 0}},
                            },
                            "status": {"type": "object", "properties": {"count": {"type": "integer"}}},
                        },
                    }
                },
            },
            {
                "name": "v1beta1",
                "served": True,
                "storage": False,
                "deprecated": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            },
        ],
    },
)


def gadget(name, **spec):
    return manifest("Gadget", name, "demo.io/v1", spec=spec)
