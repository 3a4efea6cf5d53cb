"""What the driver is asked for a claim: gathered from the class, the node, the claim's source and its attributes class.

The caches answer, but for what few claims have: a snapshot, an attributes class. Rule: external-provisioner.
"""

from collections.abc import Mapping
from typing import Final

from controllers.csi.context import SidecarContext
from controllers.csi.places import Places
from controllers.csi.provisioner.decide import volume_name
from controllers.csi.provisioner.job import Job
from controllers.csi.provisioner.sources import Sources
from controllers.provisioning.decide import draft
from kube.errors import NotFound
from model import names, quantity
from model.meta import JSON
from model.resources import ATTRIBUTES_CLASSES, CSI_NODES, NODES, ObjectT, Resource
from model.secrets import SecretReference
from model.volumes import PersistentVolumeClaim, StorageClass
from plugins.csi import csi_pb2 as pb
from plugins.csi import parameters, topology
from plugins.csi.creation import Wanted, request_for, source_before
from plugins.csi.driver import TOPOLOGY
from plugins.csi.secret_names import named
from plugins.errors import Failed
from storage.data_source import Foreign, FromClaim, FromSnapshot, Unusable, filling

_REFERENCES: Final = {
    "controller-publish": "controllerPublishSecretRef",
    "node-stage": "nodeStageSecretRef",
    "node-publish": "nodePublishSecretRef",
    "controller-expand": "controllerExpandSecretRef",
    "node-expand": "nodeExpandSecretRef",
}
"""Where the volume names the secrets of later calls."""


class ElsewhereError(Exception):
    """The node that was selected is not there, or has no driver: another one is to be chosen."""


class PopulatedError(Exception):
    """Another program fills the claim: nothing is made here."""


class Asking:
    """Makes jobs of claims."""

    def __init__(self, context: SidecarContext, places: Places, sources: Sources) -> None:
        self._client, self._caches = context.base.client, context.base.caches
        self._driver, self._settings = context.driver, context.settings
        self._places, self._sources = places, sources

    def name_for(self, claim: PersistentVolumeClaim) -> str:
        """The name of the claim's volume."""
        return volume_name(self._settings.volume_name_prefix, claim.uid)

    async def job(self, claim: PersistentVolumeClaim, storage_class: StorageClass) -> Job:
        """What is to be asked; what the volume is filled from is held from now on.

        Raises:
            ElsewhereError, PopulatedError: nothing is.
            Failed: it can not be asked, as it stands.
            KubeError: the server does not answer, or the source could not be held.
        """
        source = await self._source(claim)
        read = parameters.read(storage_class.parameters or {})
        fs_type = read.fs_type or self._settings.default_fs_type
        wanted = Wanted(
            name=self.name_for(claim),
            size_bytes=quantity.whole((claim.spec.resources.requests or {}).get("storage", "0")),
            volume_mode=claim.volume_mode,
            access_modes=claim.spec.access_modes or (),
            fs_type=fs_type,
            mount_flags=storage_class.mount_options or (),
            parameters={**read.driver, **self._metadata(claim)},
            mutable_parameters=await self._attributes(claim),
            snapshot=source.handle if isinstance(source, FromSnapshot) else "",
            original=source.handle if isinstance(source, FromClaim) else "",
            where=await self._where(claim, storage_class),
        )
        secrets = _Named(read.secrets, claim, wanted.name)
        request = request_for(wanted, tells_pods_apart=self._driver.tells_pods_apart)
        marks = self._marks(claim) | secrets.references()
        csi = source_before(self._driver.name, fs_type, claim.volume_mode, marks)
        job = Job(
            draft=_draft(claim, storage_class, wanted.name, csi, secrets),
            request=request.SerializeToString(),
            secret=secrets.of("provisioner"),
            node=claim.selected_node or "",
        )
        if source is not None:
            await self._sources.hold(source)
        return job

    async def _source(self, claim: PersistentVolumeClaim) -> FromSnapshot | FromClaim | None:
        match filling(claim, self._driver.name, await self._sources.known(claim)):
            case None:
                return None
            case Foreign(source):
                raise PopulatedError(f"a populator is to fill it from {source.kind} {source.namespace}/{source.name}")
            case Unusable(why):
                raise Failed(why)
            case FromSnapshot() as source:
                self._check("CREATE_DELETE_SNAPSHOT", "restores no snapshots")
                return source
            case FromClaim() as source:
                self._check("CLONE_VOLUME", "copies no volumes")
                return source

    def _check(self, call: str, otherwise: str) -> None:
        if call not in self._driver.calls:
            raise Failed(f"driver {self._driver.name} {otherwise}: it has no {call}")

    def _marks(self, claim: PersistentVolumeClaim) -> JSON:
        only_read = tuple(claim.spec.access_modes or ()) == ("ReadOnlyMany",)
        return {"readOnly": True} if only_read and self._settings.read_only_publish else {}

    def _metadata(self, claim: PersistentVolumeClaim) -> Mapping[str, str]:
        if not self._settings.extra_create_metadata:
            return {}
        return parameters.told_names(claim.name, claim.namespace, self.name_for(claim))

    async def _attributes(self, claim: PersistentVolumeClaim) -> Mapping[str, str]:
        name = claim.spec.volume_attributes_class_name
        if not name:
            return {}
        self._check("MODIFY_VOLUME", "knows no volume attributes classes")
        found = await self._live(ATTRIBUTES_CLASSES, name)
        if found is None:
            raise Failed(f"volume attributes class {name!r} not found")
        if found.driver_name != self._driver.name:
            raise Failed(f"volume attributes class {name!r} is of driver {found.driver_name}, not {self._driver.name}")
        return found.parameters or {}

    # --- where ---

    async def _where(self, claim: PersistentVolumeClaim, storage_class: StorageClass) -> pb.TopologyRequirement | None:
        if TOPOLOGY not in self._driver.services:
            return None
        allowed = storage_class.allowed_topologies or ()
        if claim.selected_node:
            spot = await self._spot(claim.selected_node)
            return topology.for_node(spot, allowed, self._places.having, strict=self._settings.strict_topology)
        if not allowed and not self._settings.immediate_topology:
            return None
        return topology.for_any(claim.name, allowed, self._places.anywhere)

    async def _spot(self, name: str) -> topology.Spot:
        """The node; the server is asked before a claim is sent to another one."""
        node = self._caches.nodes.get(name) or await self._live(NODES, name)
        if node is None:
            raise ElsewhereError(f"node {name!r} not found")
        csi_node = self._caches.csi_nodes.get(name) or await self._live(CSI_NODES, name)
        if csi_node is None:
            raise ElsewhereError(f"CSINode {name!r} not found: no CSI driver was ever registered there")
        return topology.Spot(name, self._places.keys_in(csi_node) or (), node.labels)

    async def _live(self, resource: Resource[ObjectT], name: str) -> ObjectT | None:
        try:
            return await self._client.get(resource, name)
        except (NotFound, ValueError):
            return None


class _Named:
    """The secrets that a class names for a claim's volume."""

    def __init__(self, templates: Mapping[str, str], claim: PersistentVolumeClaim, volume: str) -> None:
        self._templates = templates
        self._in_namespace = {"pv.name": volume, "pvc.namespace": claim.namespace}
        annotations = {f"pvc.annotations['{key}']": value for key, value in claim.annotations.items()}
        self._in_name = {**self._in_namespace, "pvc.name": claim.name, **annotations}

    def of(self, operation: str) -> SecretReference | None:
        """The secret for an operation. Raises Failed."""
        return named(self._templates, operation, self._in_namespace, self._in_name) if self._templates else None

    def references(self) -> JSON:
        """What stands in the volume's source. Raises Failed."""
        found = {key: self.of(operation) for operation, key in _REFERENCES.items()}
        return {key: {"namespace": each.namespace, "name": each.name} for key, each in found.items() if each}


def _draft(claim: PersistentVolumeClaim, storage_class: StorageClass, name: str, csi: JSON, secrets: _Named) -> JSON:
    drafted = draft(claim, storage_class, name)
    deletion, modify = secrets.of("provisioner") or SecretReference(), secrets.of("controller-modify")
    drafted["metadata"]["annotations"] |= {
        names.DELETION_SECRET_NAME: deletion.name,
        names.DELETION_SECRET_NAMESPACE: deletion.namespace,
    }
    if modify is not None:
        drafted["metadata"]["annotations"] |= {
            names.MODIFY_SECRET_NAME: modify.name,
            names.MODIFY_SECRET_NAMESPACE: modify.namespace,
        }
    drafted["spec"]["csi"] = csi
    if claim.spec.volume_attributes_class_name:
        drafted["spec"]["volumeAttributesClassName"] = claim.spec.volume_attributes_class_name
    return drafted
