"""Objects that keep all rules, with the resource that each is of."""

from typing import Any

JSON = dict[str, Any]

REQUEST = {"requests": {"storage": "1Gi"}}
CONTAINER = {"name": "main", "image": "demo/app:1"}
TERM = {"matchExpressions": [{"key": "demo.io/zone", "operator": "In", "values": ["a"]}]}
AFFINITY = {"required": {"nodeSelectorTerms": [TERM]}}

GOOD: dict[str, tuple[str, JSON]] = {
    "volume": (
        "persistentvolumes",
        {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "csi": {"driver": "csi.example.com", "volumeHandle": "one"},
                "nodeAffinity": AFFINITY,
                "storageClassName": "fast",
            }
        },
    ),
    "host-path": (
        "persistentvolumes",
        {"spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data"}}},
    ),
    "zonal": (
        "persistentvolumes",
        {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "hostPath": {"path": "/data"},
                "nodeAffinity": {
                    "required": {
                        "nodeSelectorTerms": [
                            {
                                "matchExpressions": [
                                    {
                                        "key": "failure-domain.beta.kubernetes.io/zone",
                                        "operator": "In",
                                        "values": ["a"],
                                    }
                                ]
                            }
                        ]
                    }
                },
            }
        },
    ),
    "node": ("nodes", {"spec": {"providerID": "example://one"}}),
    "claim": (
        "persistentvolumeclaims",
        {"spec": {"accessModes": ["ReadWriteOnce"], "resources": REQUEST, "storageClassName": "fast"}},
    ),
    "bare-claim": ("persistentvolumeclaims", {"spec": {"accessModes": ["ReadWriteOnce"], "resources": REQUEST}}),
    "class": (
        "storageclasses",
        {
            "provisioner": "csi.example.com",
            "parameters": {"tier": "gold"},
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "demo.io/zone", "values": ["a", "b"]}]}],
        },
    ),
    "csi-node": (
        "csinodes",
        {
            "spec": {
                "drivers": [
                    {
                        "name": "csi.example.com",
                        "nodeID": "one",
                        "topologyKeys": ["demo.io/zone"],
                        "allocatable": {"count": 3},
                    }
                ]
            }
        },
    ),
    "driver": ("csidrivers", {"spec": {"attachRequired": False, "volumeLifecycleModes": ["Persistent"]}}),
    "capacity": (
        "csistoragecapacities",
        {"storageClassName": "fast", "nodeTopology": {"matchLabels": {"demo.io/zone": "a"}}, "capacity": "1Gi"},
    ),
    "attachment": (
        "volumeattachments",
        {"spec": {"attacher": "csi.example.com", "nodeName": "n1", "source": {"persistentVolumeName": "one"}}},
    ),
    "pod": (
        "pods",
        {
            "spec": {
                "containers": [{**CONTAINER, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                "tolerations": [{"key": "demo.io/spot", "operator": "Exists", "effect": "NoExecute"}],
            }
        },
    ),
    "gated-pod": (
        "pods",
        {
            "spec": {
                "containers": [CONTAINER],
                "schedulingGates": [{"name": "demo.io/hold"}],
                "nodeSelector": {"demo.io/disk": "ssd"},
            }
        },
    ),
    "lease": ("leases", {"spec": {"holderIdentity": "one", "leaseDurationSeconds": 15}}),
    "map": ("configmaps", {"data": {"a": "1"}}),
    "sealed-map": ("configmaps", {"data": {"a": "1"}, "immutable": True}),
    "secret": ("secrets", {"data": {"a": "eA=="}}),
    "event": ("events", {"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "Tested", "type": "Normal"}),
    "webhook": (
        "validatingwebhookconfigurations",
        {
            "webhooks": [
                {
                    "name": "check.example.com",
                    "clientConfig": {"url": "https://127.0.0.1:1/check"},
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Ignore",
                    "objectSelector": {"matchLabels": {"contract.example.com/nobody": "at-all"}},
                    "rules": [
                        {
                            "operations": ["CREATE"],
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "resources": ["configmaps"],
                        }
                    ],
                }
            ]
        },
    ),
    "mutating": (
        "mutatingwebhookconfigurations",
        {
            "webhooks": [
                {
                    "name": "change.example.com",
                    "clientConfig": {"service": {"name": "w", "namespace": "default"}},
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Ignore",
                    "objectSelector": {"matchLabels": {"contract.example.com/nobody": "at-all"}},
                }
            ]
        },
    ),
}
