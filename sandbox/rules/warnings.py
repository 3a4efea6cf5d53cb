"""What the server warns of though it accepts it: what is deprecated, or hardly meant.

Source: the deprecated annotations, labels and plugins in "Well-Known Labels, Annotations and Taints" and "Persistent
Volumes" of the Kubernetes documentation.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from model.meta import JSON
from model.quantity import NANO, nanos
from sandbox.kinds import Kind

_CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_ANNOTATIONS: Final = {
    _CLASS_ANNOTATION: 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_LABELS: Final = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_PLUGINS: Final = {
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_RECYCLE: Final = (
    "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
)
_TOKENS: Final = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
    "logging of tokens in volume attributes"
)


def warnings(kind: Kind, obj: JSON) -> Iterator[str]:
    """What is said of an object that has been accepted."""
    warn = _WARNINGS.get(kind.stored_resource)
    return warn(obj) if warn is not None and kind.custom is None else iter(())


def _volume(obj: JSON) -> Iterator[str]:
    spec, annotations = obj.get("spec") or {}, obj["metadata"].get("annotations") or {}
    for key, why in _ANNOTATIONS.items():
        if key in annotations:
            yield f"metadata.annotations[{key}]: {why}"
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield f"spec.persistentVolumeReclaimPolicy: {_RECYCLE}"
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    yield from _terms("spec.nodeAffinity.required.nodeSelectorTerms", required.get("nodeSelectorTerms") or ())
    for plugin, why in _PLUGINS.items():
        if spec.get(plugin) is not None:
            yield f"spec.{'storageOS' if plugin == 'storageos' else plugin}: {why}"


def _terms(path: str, terms: Sequence[JSON]) -> Iterator[str]:
    for index, term in enumerate(terms):
        for place, each in enumerate(term.get("matchExpressions") or ()):
            if why := _LABELS.get(each.get("key", "")):
                yield f"{path}[{index}].matchExpressions[{place}].key: {each['key']} is {why}"


def _claim(obj: JSON) -> Iterator[str]:
    if _CLASS_ANNOTATION in (obj["metadata"].get("annotations") or {}):
        yield f"metadata.annotations[{_CLASS_ANNOTATION}]: {_ANNOTATIONS[_CLASS_ANNOTATION]}"
    resources = (obj.get("spec") or {}).get("resources") or {}
    for field in ("requests", "limits"):
        size = (resources.get(field) or {}).get("storage")
        if size is not None and nanos(size) % NANO:
            path = f"spec.resources.{field}[storage]"
            yield f'{path}: fractional byte value "{size}" is invalid, must be an integer'


def _storage_class(obj: JSON) -> Iterator[str]:
    for index, term in enumerate(obj.get("allowedTopologies") or ()):
        for place, each in enumerate(term.get("matchLabelExpressions") or ()):
            if why := _LABELS.get(each.get("key", "")):
                yield f"allowedTopologies[{index}].matchLabelExpressions[{place}].key: {why}"


def _driver(obj: JSON) -> Iterator[str]:
    spec = obj.get("spec") or {}
    if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
        yield _TOKENS


def _pod(obj: JSON) -> Iterator[str]:
    spec = obj.get("spec") or {}
    for key in spec.get("nodeSelector") or {}:
        if why := _LABELS.get(key):
            yield f"spec.nodeSelector[{key}]: {why}"
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    path = f"spec.affinity.nodeAffinity.{required}.nodeSelectorTerms"
    yield from _terms(path, (node.get(required) or {}).get("nodeSelectorTerms") or ())


_WARNINGS: Final[dict[str, Callable[[JSON], Iterator[str]]]] = {
    "persistentvolumes": _volume,
    "persistentvolumeclaims": _claim,
    "storageclasses.storage.k8s.io": _storage_class,
    "csidrivers.storage.k8s.io": _driver,
    "pods": _pod,
}
