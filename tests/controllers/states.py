"""Random states of claims, volumes, classes and pods: everything that a cluster may hold when controllers start.

States of one batch do not touch one another: each has a namespace, and its classes are its own. What races in
kube-controller-manager itself is left out: nobody free competes for the same volume, and sizes and mode sets are never
equal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from model import names
from model.meta import JSON

DRIVER: Final = "disk.example.com"
NODE: Final = "differential-node"
FOREIGN: Final = "a.example/foreign"
BASES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
"""States without a class share what has none; each has one of these modes to itself."""

HOST_PATH: Final = "kubernetes.io/host-path"
ATTRIBUTES: Final = "gold"

_CLAIM: Final = "PersistentVolumeClaim"
_VOLUME: Final = "PersistentVolume"
_PROVISIONERS: Final = (
    DRIVER,
    names.NO_PROVISIONER,
    "kubernetes.io/gce-pd",
    "kubernetes.io/aws-ebs",
    "kubernetes.io/unheard-of",
    HOST_PATH,
)
_SOURCES: Final[tuple[JSON, ...]] = (
    {"nfs": {"server": "10.0.0.1", "path": "/export"}},
    {"csi": {"driver": DRIVER, "volumeHandle": "handle"}},
    {"gcePersistentDisk": {"pdName": "disk"}},
    {"hostPath": {"path": "/var/differential/nowhere"}},
    {"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:disk", "lun": 0}},
)

_UIDS: Final = ("right", "right", "none", "wrong")


@dataclass
class State:
    """Objects as they are before the controllers start, what is deleted by then, and what happens afterwards."""

    name: str
    objects: list[JSON] = field(default_factory=list)
    deleted: list[JSON] = field(default_factory=list)
    steps: list[JSON] = field(default_factory=list)


def states(seed: int, count: int) -> list[State]:
    """A batch. The first few have no class; whatever is drawn depends on the seed alone."""
    random = Random(seed)
    bases = list(BASES)
    random.shuffle(bases)
    batch = [
        _Drawing(random, f"differential-{seed}-{number}", bases[number] if number < len(bases) else None).state()
        for number in range(count)
    ]
    batch[0].objects.append(_NODE)
    if random.random() < 0.5:
        batch[0].steps.insert(0, {"create": _default_class(f"differential-{seed}-default")})
    return batch


_NODE: Final[JSON] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {names.HOSTNAME: NODE}}}


def _default_class(name: str) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {names.DEFAULT_CLASS: "true"}},
        "provisioner": DRIVER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }


class _Drawing:
    """One state in the making."""

    def __init__(self, random: Random, name: str, base: str | None) -> None:
        """`base` is the access mode of a state without a class."""
        self._random = random
        self._name = name
        self._base = base
        self._class = "" if base else f"{name}-class"
        self._state = State(name)
        self._modes = [base] if base else ["ReadWriteOnce"]
        self._free = False
        """Whether the claim takes any volume that suits."""
        self._made_by_plugin = False
        """Whether a plugin makes the class's volumes. It does so in kube-controller-manager even if they do not suit:
        a selector or an attributes class is refused by Lading, so no claim asks for one."""
        self._bound_to = ""
        """The volume that the other claim is, or was, bound to."""
        self._reserved = False
        """Whether a volume may refer to the claim already."""

    def state(self) -> State:
        self._add("v1", "Namespace", self._name, {}, namespace="")
        self._draw_class()
        volumes = [f"{self._name}-v{number}" for number in range(self._random.randint(0, 3))]
        self._draw_main(volumes)
        if volumes and self._chance(0.3):
            self._draw_other(volumes[-1])
        self._draw_volumes(volumes)
        self._draw_pods()
        self._draw_steps(volumes)
        return self._state

    # --- classes ---

    def _draw_class(self) -> None:
        if self._base or self._chance(0.1):  # one that does not exist is a state as well
            return
        mode = self._pick("Immediate", "WaitForFirstConsumer")
        storage_class = self._add("storage.k8s.io/v1", "StorageClass", self._class, {}, namespace="")
        storage_class |= {
            "provisioner": self._pick(*_PROVISIONERS),
            "reclaimPolicy": "Delete",
            "volumeBindingMode": mode,
            "allowVolumeExpansion": True,
        }
        self._made_by_plugin = storage_class["provisioner"] == HOST_PATH

    # --- claims ---

    def _draw_main(self, volumes: list[str]) -> None:
        spec, metadata = self._claim_spec(self._random.randint(1, 6)), {"annotations": self._claim_annotations()}
        named = self._pick("", "", *volumes, f"{self._name}-missing")
        if named:
            spec["volumeName"] = named
        bound = names.BIND_COMPLETED in metadata["annotations"]
        self._free = not named and not bound
        if self._base and self._chance(0.5):
            del spec["storageClassName"]
        if not self._base and self._chance(0.1):
            metadata["annotations"][names.BETA_STORAGE_CLASS] = spec.pop("storageClassName")
        if self._chance(0.15) and not self._made_by_plugin:
            spec["selector"] = {"matchLabels": {"tier": "cold"}}
        if self._chance(0.15):
            metadata["finalizers"] = [FOREIGN]
        claim = self._add("v1", _CLAIM, "main", metadata, spec=spec)
        self._give_status(claim, bound)
        if self._chance(0.12):
            claim["metadata"]["finalizers"] = [
                FOREIGN
            ]  # without, it would be a race whether it is bound before it is gone
            self._state.deleted.append(claim)

    def _draw_other(self, volume: str) -> None:
        """A claim that was bound to a volume, and may have lost it."""
        spec = self._claim_spec(1) | {"volumeName": volume}
        annotations = {names.BIND_COMPLETED: "yes"}
        if self._chance(0.6):
            annotations[names.BOUND_BY_CONTROLLER] = "yes"
        claim = self._add("v1", _CLAIM, "other", {"annotations": annotations}, spec=spec)
        self._give_status(claim, bound=True)
        self._bound_to = volume

    def _claim_spec(self, size: int) -> JSON:
        modes = self._modes if self._base else self._pick(["ReadWriteOnce"], ["ReadWriteOnce", "ReadOnlyMany"])
        spec: JSON = {
            "accessModes": list(modes),
            "resources": {"requests": {"storage": f"{size}Gi"}},
            "storageClassName": self._class,
        }
        if self._chance(0.12):
            spec["volumeMode"] = "Block"
        if self._chance(0.08) and not self._made_by_plugin:
            spec["volumeAttributesClassName"] = ATTRIBUTES
        return spec

    def _claim_annotations(self) -> dict[str, str]:
        annotations = {}
        if self._chance(0.35):
            annotations[names.BIND_COMPLETED] = self._pick("yes", "")
        if self._chance(0.3):
            annotations[names.BOUND_BY_CONTROLLER] = "yes"
        if self._chance(0.2):
            annotations[names.SELECTED_NODE] = self._pick(NODE, "")
        if self._chance(0.25):
            annotations[self._pick(names.STORAGE_PROVISIONER, names.BETA_STORAGE_PROVISIONER)] = self._pick(
                DRIVER, "kubernetes.io/gce-pd", "other.example.com"
            )
        if self._chance(0.15):
            annotations[names.MIGRATED_TO] = self._pick("pd.csi.storage.gke.io", "wrong.example.com")
        return annotations

    def _give_status(self, claim: JSON, bound: bool) -> None:
        phase = self._pick("Bound", "Bound", "Lost", "Pending") if bound else self._pick("Pending", "Pending", "Bound")
        claim["status"] = {"phase": phase}
        if phase == "Bound":
            claim["status"] |= {
                "capacity": {"storage": self._pick("1Gi", "3Gi", "10Gi")},
                "accessModes": claim["spec"]["accessModes"],
            }

    # --- volumes ---

    def _draw_volumes(self, volumes: list[str]) -> None:
        for number, name in enumerate(volumes):
            self._draw_volume(name, number)

    def _draw_volume(self, name: str, number: int) -> None:
        reference = self._reference(name)
        source = self._pick(*_SOURCES)
        spec: JSON = {
            # Sizes go up and down with the number, so that the first is not always the smallest.
            "capacity": {"storage": f"{(3, 1, 7)[number] + self._random.randint(0, 1)}Gi"},
            "accessModes": self._volume_modes(number),
            "persistentVolumeReclaimPolicy": self._policy(source),
            "storageClassName": self._volume_class(reference),
            **source,
        }
        if reference is not None:
            spec["claimRef"] = reference
        if "csi" in source and self._chance(0.3):
            spec["volumeAttributesClassName"] = ATTRIBUTES
        if self._chance(0.12):
            spec["volumeMode"] = "Block"
        metadata: JSON = {"annotations": self._volume_annotations(reference)}
        if self._chance(0.3):
            metadata["labels"] = {"tier": self._pick("cold", "warm")}
        finalizers = [
            each for each in (FOREIGN, names.VOLUME_CONTROLLER, names.EXTERNAL_PROVISIONER) if self._chance(0.1)
        ]
        if finalizers:
            metadata["finalizers"] = finalizers
        volume = self._add("v1", _VOLUME, name, metadata, namespace="", spec=spec)
        volume["status"] = {"phase": self._phase(reference)}
        if self._chance(0.12):
            volume["status"]["phase"] = "Bound"  # else it would be a race whether it is bound before it is gone
            if metadata["annotations"].get(names.PROVISIONED_BY, "").startswith("kubernetes.io/"):
                # kube-controller-manager is stuck on such a volume without its finalizer: it can not add it any more.
                volume["metadata"]["finalizers"] = [*finalizers, names.VOLUME_CONTROLLER]
            self._state.deleted.append(volume)

    def _volume_modes(self, number: int) -> list[str]:
        if self._base:
            return [self._base]
        return ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"][: (1, 3, 2)[number]]

    def _policy(self, source: JSON) -> str:
        recyclable = source.keys() & {"nfs", "hostPath"}  # recycling them takes a pod that ends, and none does here
        return self._pick("Retain", "Retain", "Delete", *([] if recyclable else ["Recycle"]))

    def _volume_class(self, reference: JSON | None) -> str:
        if self._base:
            return ""
        if reference is None and self._free and self._bound_to:
            return f"{self._name}-another"
        return self._pick(self._class, self._class, self._class, f"{self._name}-another")

    def _reference(self, name: str) -> JSON | None:
        if name == self._bound_to:
            kind = self._pick("other", "other", "other", "main", "gone")
            self._reserved = True
            return self._to(kind, self._pick(*_UIDS))
        if self._chance(0.45):
            return None
        taken = self._base and self._free and self._reserved  # the first of several that are seen would win
        self._reserved = True
        return self._to("gone" if taken else self._pick("main", "main", "gone"), self._pick(*_UIDS))

    def _to(self, claim: str, uid: str) -> JSON:
        reference = {"apiVersion": "v1", "kind": _CLAIM, "namespace": self._name, "name": claim}
        if uid == "right" and claim != "gone":
            reference["uid"] = f"@uid:{_CLAIM}/{self._name}/{claim}"
        elif uid != "none":
            reference["uid"] = "00000000-dead-4000-8000-000000000000"
        return reference

    def _phase(self, reference: JSON | None) -> str:
        if reference is None:
            # One that becomes Available late competes with those that were so from the start.
            return "Available" if self._free else self._pick("Available", "Pending", "Released")
        return self._pick("Bound", "Bound", "Available", "Pending", "Released", "Failed")

    def _volume_annotations(self, reference: JSON | None) -> dict[str, str]:
        annotations = {}
        if reference is not None and self._chance(0.5):
            annotations[names.BOUND_BY_CONTROLLER] = "yes"
        if self._chance(0.3):
            annotations[names.PROVISIONED_BY] = self._pick(
                DRIVER, "kubernetes.io/gce-pd", "kubernetes.io/host-path", "kubernetes.io/unheard-of"
            )
        if self._chance(0.1):
            annotations[names.MIGRATED_TO] = self._pick("pd.csi.storage.gke.io", "wrong.example.com")
        if self._chance(0.1):
            annotations[names.PRE_RESIZE_CAPACITY] = self._pick("1Gi", "unreadable")
        return annotations

    # --- pods ---

    def _draw_pods(self) -> None:
        for number in range(self._pick(0, 0, 1, 2)):
            claimed = self._pick("main", "main", "other")
            self._pod(f"pod-{number}", {"name": "v", "persistentVolumeClaim": {"claimName": claimed}})
        if self._chance(0.15):
            template = {"metadata": {"labels": {"made": "yes"}}, "spec": self._ephemeral_spec()}
            pod = self._pod("ephemeral", {"name": "v", "ephemeral": {"volumeClaimTemplate": template}})
            if self._chance(0.4):
                owner = {"apiVersion": "v1", "kind": "Pod", "name": "ephemeral", "controller": self._chance(0.7)}
                owner["uid"] = self._pick(f"@uid:Pod/{self._name}/ephemeral", "00000000-dead-4000-8000-000000000000")
                metadata = {"ownerReferences": [owner]}
                claim = self._add("v1", _CLAIM, "ephemeral-v", metadata, spec=self._ephemeral_spec())
                if self._chance(0.5):
                    self._state.deleted.append(claim)
            if self._chance(0.2):
                self._state.deleted.append(pod)

    def _ephemeral_spec(self) -> JSON:
        return {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "90Gi"}},
            "storageClassName": f"{self._name}-nowhere",
        }

    def _pod(self, name: str, volume: JSON) -> JSON:
        spec: JSON = {"containers": [{"name": "main", "image": "app.example/it:1"}], "volumes": [volume]}
        if self._chance(0.6):
            spec["nodeName"] = NODE
        pod = self._add("v1", "Pod", name, {}, spec=spec)
        pod["status"] = {"phase": self._pick("Pending", "Running", "Succeeded")}
        return pod

    # --- what happens afterwards ---

    def _draw_steps(self, volumes: list[str]) -> None:
        for number in range(self._pick(0, 1, 1, 2)):
            self._state.steps.append(self._pick(*self._possible_steps(volumes), *self._late(number)))

    def _possible_steps(self, volumes: list[str]) -> Iterator[JSON]:
        claim = {"kind": _CLAIM, "metadata": {"namespace": self._name, "name": "main"}}
        yield {"delete": claim}
        yield {"delete": {"kind": "Pod", "metadata": {"namespace": self._name, "name": "pod-0"}}}
        yield {"merge": claim, "change": {"metadata": {"annotations": {names.SELECTED_NODE: NODE}}}}
        for name in volumes:
            volume = {"kind": _VOLUME, "metadata": {"name": name}}
            yield {"delete": volume}
            if name != self._bound_to:  # else both claims could run for it
                yield {"merge": volume, "change": {"spec": {"claimRef": None}}}
            yield {"merge": volume, "change": {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}}

    def _late(self, number: int) -> Iterator[JSON]:
        """What comes when all else has settled: a volume that suits, and a claim that takes what is left."""
        spec = {
            "capacity": {"storage": "9Gi"},
            "accessModes": self._volume_modes(0),
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": self._class,
            **_SOURCES[0],
        }
        metadata: JSON = {"name": f"{self._name}-v-late-{number}", "labels": {"tier": "cold"}}
        yield {"create": {"apiVersion": "v1", "kind": _VOLUME, "metadata": metadata, "spec": spec}}
        metadata = {"name": f"late-{number}", "namespace": self._name}
        yield {"create": {"apiVersion": "v1", "kind": _CLAIM, "metadata": metadata, "spec": self._claim_spec(2)}}

    # --- small things ---

    def _add(
        self, version: str, kind: str, name: str, metadata: JSON, *, namespace: str | None = None, **more: Any
    ) -> JSON:
        there = self._name if namespace is None else namespace
        scope = {"namespace": there} if there else {}
        obj = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **scope, **metadata}, **more}
        self._state.objects.append(obj)
        return obj

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _pick(self, *choices: Any) -> Any:
        return self._random.choice(choices)
