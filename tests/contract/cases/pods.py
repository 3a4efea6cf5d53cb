"""New pods and nodes."""

from tests.contract.cases.case import each
from tests.contract.cases.good import CONTAINER, REQUEST, TERM

PODS = [
    *each(
        "pod",
        {},
        {"metadata/name": "Upper"},
        {"spec/containers": []},
        {"spec/containers/0/name": ""},
        {"spec/containers/0/name": "a.b"},
        {"spec/containers/0/image": ""},
        {"spec/containers/0/image": " demo"},
        {"spec/containers/1": CONTAINER},
        {"spec/initContainers": [CONTAINER]},
        {"spec/containers/0/imagePullPolicy": "Maybe"},
        {"spec/containers/0/terminationMessagePolicy": "Odd"},
        {"spec/containers/0/ports": [{"containerPort": 0}]},
        {"spec/containers/0/ports": [{"containerPort": 70000}]},
        {"spec/containers/0/ports": [{"containerPort": 1, "protocol": "ICMP"}]},
        {"spec/containers/0/ports": [{"containerPort": 1, "name": "UPPER"}]},
        {"spec/containers/0/ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
        {"spec/containers/0/ports": [{"containerPort": 1, "hostPort": 2}, {"containerPort": 3, "hostPort": 2}]},
        {"spec/containers/0/env": [{"name": ""}]},
        {"spec/containers/0/env": [{"name": "a=b"}]},
        {"spec/containers/0/env": [{"name": "a", "valueFrom": {}}]},
        {"spec/containers/0/resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        {"spec/containers/0/resources": {"requests": {"cpu": "-1"}}},
        {"spec/containers/0/resources": {"requests": {"storage": "1"}}},
        {"spec/containers/0/resources": {"requests": {"demo.io/gpu": "1"}}},
        {"spec/containers/0/volumeMounts/0/name": "nothing"},
        {"spec/containers/0/volumeMounts/0/mountPath": ""},
        {"spec/containers/0/volumeMounts/1": {"name": "data", "mountPath": "/data"}},
        {"spec/containers/0/volumeMounts/0/subPath": "/a"},
        {"spec/containers/0/volumeMounts/0/subPath": "a/../b"},
        {"spec/containers/0/volumeMounts/0/mountPropagation": "Odd"},
        {"spec/containers/0/volumeMounts/0/mountPropagation": "Bidirectional"},
        {"spec/containers/0/volumeMounts/0/recursiveReadOnly": "Enabled"},
        {"spec/containers/0/volumeDevices": [{"name": "data", "devicePath": "/data"}]},
        {"spec/containers/0/volumeDevices": [{"name": "nothing", "devicePath": "/dev/../x"}]},
        {"spec/volumes/0/name": ""},
        {"spec/volumes/0/name": "Upper"},
        {"spec/volumes/0/persistentVolumeClaim/claimName": ""},
        {"spec/volumes/1": {"name": "data", "emptyDir": {}}},
        {"spec/volumes/0/emptyDir": {}},
        {"spec/volumes/1": {"name": "host", "hostPath": {"path": "/a/../b"}}},
        {"spec/volumes/1": {"name": "scratch", "emptyDir": {"sizeLimit": "-1"}}},
        {"spec/volumes/1": {"name": "files", "secret": {"secretName": "", "defaultMode": 4096}}},
        {"spec/volumes/1": {"name": "files", "configMap": {"name": "m", "items": [{"key": "", "path": "../x"}]}}},
        {"spec/volumes/1": {"name": "inline", "csi": {"driver": ""}}},
        {"spec/volumes/1": {"name": "made", "ephemeral": {}}},
        {"spec/volumes/1": {"name": "made", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}},
        {
            "spec/volumes/1": {
                "name": "made",
                "ephemeral": {
                    "volumeClaimTemplate": {
                        "metadata": {"name": "x"},
                        "spec": {"accessModes": ["ReadWriteOnce"], "resources": REQUEST},
                    }
                },
            }
        },
        {"spec/restartPolicy": "Maybe"},
        {"spec/dnsPolicy": "Odd"},
        {"spec/nodeName": "Not A Name"},
        {"spec/nodeSelector": {"a b": "1"}},
        {"spec/nodeSelector": {"beta.kubernetes.io/os": "linux"}},
        {"spec/tolerations/0/operator": "Near"},
        {"spec/tolerations/0/effect": "Odd"},
        {"spec/tolerations/0": {"value": "x"}},
        {"spec/tolerations/0": {"key": "a", "operator": "Exists", "value": "x"}},
        {"spec/tolerations/0": {"key": "a", "operator": "Exists", "tolerationSeconds": 5}},
        {"spec/tolerations/0": {"key": "a", "value": "x y"}},
        {
            "spec/affinity": {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
            }
        },
        {
            "spec/affinity": {
                "podAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "", "namespaces": ["A"]}]
                }
            }
        },
        {
            "spec/affinity": {
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "preference": TERM}]}
            }
        },
        {
            "spec/topologySpreadConstraints": [
                {"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Odd", "labelSelector": {}, "minDomains": 2}
            ]
        },
        {
            "spec/topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"} for _ in range(2)
            ]
        },
        {"spec/schedulingGates": [{"name": "a b"}]},
        {"spec/schedulingGates": [{"name": "a"}, {"name": "a"}]},
        {"spec/activeDeadlineSeconds": 0},
        {"spec/terminationGracePeriodSeconds": -1},
        {"spec/hostname": "Upper"},
    ),
    *each("node", {}, {"status": {"capacity": {"cpu": "1"}, "phase": "Pending"}}),
    *each("gated-pod", {}, {"spec/nodeName": "n1"}),
]
