"""What the server fills in that a client left out, in place. Defaulting twice is defaulting once.

Source: the default values of the Kubernetes API reference.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any, Final

from model.meta import JSON
from sandbox.crds import set_definition_defaults
from sandbox.kinds import Kind


def set_defaults(kind: Kind, obj: JSON) -> None:
    """Fill in the defaults of a built-in kind; custom kinds have theirs from their schema."""
    default = _DEFAULTS.get(kind.stored_resource) if kind.custom is None else None
    if default is not None:
        default(obj)


def _fill(target: JSON, **values: Any) -> JSON:
    """Set what is not set, by API name."""
    for name, value in values.items():
        if target.get(name) is None:
            target[name] = value
    return target


def _part(obj: JSON, name: str) -> JSON:
    part: JSON = obj.setdefault(name, {})
    return part


def _volume(obj: JSON) -> None:
    _fill(_part(obj, "status"), phase="Pending")
    spec = _fill(_part(obj, "spec"), persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    _source(spec)


def _claim(obj: JSON) -> None:
    _fill(_part(obj, "status"), phase="Pending")
    _claim_spec(_part(obj, "spec"))


def _claim_spec(spec: JSON) -> None:
    _fill(spec, volumeMode="Filesystem")
    _fill_requests(spec.get("resources") or {})


def _storage_class(obj: JSON) -> None:
    _fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _csi_driver(obj: JSON) -> None:
    _fill(
        _part(obj, "spec"),
        attachRequired=True,
        podInfoOnMount=False,
        storageCapacity=False,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        volumeLifecycleModes=["Persistent"],
        requiresRepublish=False,
        seLinuxMount=False,
        preventPodSchedulingIfMissing=False,
    )


def _source(holder: JSON) -> None:
    """The defaults of volume sources, in a pod or a volume."""
    for name, values in _SOURCES.items():
        if isinstance(holder.get(name), dict):
            _fill(holder[name], **values)


_SOURCES: Final[dict[str, JSON]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
    "secret": {"defaultMode": 0o644},
    "configMap": {"defaultMode": 0o644},
    "downwardAPI": {"defaultMode": 0o644},
    "projected": {"defaultMode": 0o644},
}


def _pod(obj: JSON) -> None:
    spec = _part(obj, "spec")
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    _pod_spec(spec)


def _pod_spec(spec: JSON) -> None:
    _fill(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
        enableServiceLinks=True,
    )
    for volume in spec.get("volumes") or ():
        _source(volume)
        if template := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
            _claim_spec(_part(template, "spec"))
        if len(volume) == 1:
            volume["emptyDir"] = {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        _container(container)


def _container(container: JSON) -> None:
    image = container.get("image") or ""
    tag = image.rpartition("/")[2].partition(":")[2]
    _fill(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if (not tag and "@" not in image) or tag == "latest" else "IfNotPresent",
        resources={},
    )
    _fill_requests(container["resources"])
    for port in container.get("ports") or ():
        _fill(port, protocol="TCP")


def _fill_requests(resources: JSON) -> None:
    """What is limited and not requested is requested as it is limited."""
    if limits := resources.get("limits"):
        resources["requests"] = {**limits, **(resources.get("requests") or {})}


def _node(obj: JSON) -> None:
    status = _part(obj, "status")
    if status.get("allocatable") is None and (capacity := status.get("capacity")):
        status["allocatable"] = dict(capacity)


def _namespace(obj: JSON) -> None:
    metadata = _part(obj, "metadata")
    if name := metadata.get("name"):
        _fill(_part(metadata, "labels"), **{"kubernetes.io/metadata.name": name})
    _fill(_part(obj, "status"), phase="Active")


def _secret(obj: JSON) -> None:
    _fill(obj, type="Opaque")
    if given := obj.pop("stringData", None):
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in given.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _service(obj: JSON) -> None:
    spec = _fill(_part(obj, "spec"), sessionAffinity="None", type="ClusterIP", internalTrafficPolicy="Cluster")
    for port in spec.get("ports") or ():
        _fill(port, protocol="TCP")
        _fill(port, targetPort=port.get("port"))


def _webhooks(obj: JSON) -> None:
    mutating = obj.get("kind") == "MutatingWebhookConfiguration"
    for webhook in obj.get("webhooks") or ():
        _fill(
            webhook,
            failurePolicy="Fail",
            matchPolicy="Equivalent",
            namespaceSelector={},
            objectSelector={},
            timeoutSeconds=10,
            **({"reinvocationPolicy": "Never"} if mutating else {}),
        )
        for rule in webhook.get("rules") or ():
            _fill(rule, scope="*")
        if service := (webhook.get("clientConfig") or {}).get("service"):
            _fill(service, port=443)


def _priority_class(obj: JSON) -> None:
    _fill(obj, preemptionPolicy="PreemptLowerPriority")


def _workload(**values: Any) -> Callable[[JSON], None]:
    def default(obj: JSON) -> None:
        spec = _fill(_part(obj, "spec"), **values)
        if template := spec.get("template"):
            _pod_spec(_part(template, "spec"))
        for claim in spec.get("volumeClaimTemplates") or ():
            _claim(claim)

    return default


_REPLICATED: Final = {"replicas": 1}
_DEFAULTS: Final[dict[str, Callable[[JSON], None]]] = {
    "persistentvolumes": _volume,
    "persistentvolumeclaims": _claim,
    "pods": _pod,
    "nodes": _node,
    "namespaces": _namespace,
    "secrets": _secret,
    "services": _service,
    "storageclasses.storage.k8s.io": _storage_class,
    "csidrivers.storage.k8s.io": _csi_driver,
    "priorityclasses.scheduling.k8s.io": _priority_class,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _webhooks,
    "customresourcedefinitions.apiextensions.k8s.io": set_definition_defaults,
    "deployments.apps": _workload(**_REPLICATED, revisionHistoryLimit=10, progressDeadlineSeconds=600),
    "replicasets.apps": _workload(**_REPLICATED),
    "replicationcontrollers": _workload(**_REPLICATED),
    "statefulsets.apps": _workload(**_REPLICATED, revisionHistoryLimit=10, podManagementPolicy="OrderedReady"),
    "daemonsets.apps": _workload(revisionHistoryLimit=10),
}


def defaulted_resources() -> Iterable[str]:
    """The resources that have defaults here, as docs/sandbox.md lists them."""
    return sorted(_DEFAULTS)
