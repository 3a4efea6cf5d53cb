"""The writes that put a pod and its volumes on a node, each a patch guarded by the version it was decided on.

Volumes and claims are written before the pod, and nothing is undone: the next attempt finds the work further on.
"""

from typing import Final, Protocol

import msgspec

from kube.client import Client
from model import names
from model.meta import JSON, ObjectReference
from model.resources import CLAIMS, NODES, PODS, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim
from model.workloads import Node, Pod
from storage.binding import reserved_for

_YES: Final = "yes"


class Writer(Protocol):
    """What binding needs of the API server. Every method raises `kube.errors.KubeError`."""

    async def pod(self, namespace: str, name: str) -> Pod:
        """The pod as the server has it now."""

    async def node(self, name: str) -> Node:
        """The node as the server has it now."""

    async def reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        """Reserve a volume for a claim."""

    async def select_node(self, claim: PersistentVolumeClaim, node: str | None) -> PersistentVolumeClaim:
        """Ask for the claim's volume to be made for a node; None takes the wish back."""

    async def bind(self, pod: Pod, node: str) -> None:
        """Put the pod on the node."""


class ApiWriter:
    """The writes over the API."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def pod(self, namespace: str, name: str) -> Pod:
        """GET of a pod."""
        return await self._client.get(PODS, name, namespace)

    async def node(self, name: str) -> Node:
        """GET of a node."""
        return await self._client.get(NODES, name)

    async def reserve(self, volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
        """PATCH of spec.claimRef, with the mark that it was not the user's choice unless it was."""
        body: JSON = {
            "metadata": {"resourceVersion": volume.metadata.resource_version},
            "spec": {"claimRef": msgspec.to_builtins(claim_reference(claim))},
        }
        if not reserved_for(volume, claim):
            body["metadata"]["annotations"] = {names.BOUND_BY_CONTROLLER: _YES}
        return await self._client.patch(VOLUMES, volume.name, body)

    async def select_node(self, claim: PersistentVolumeClaim, node: str | None) -> PersistentVolumeClaim:
        """PATCH of the annotation that provisioners wait for."""
        body: JSON = {
            "metadata": {
                "uid": claim.uid,
                "resourceVersion": claim.metadata.resource_version,
                "annotations": {names.SELECTED_NODE: node},
            },
        }
        return await self._client.patch(CLAIMS, claim.name, body, claim.namespace)

    async def bind(self, pod: Pod, node: str) -> None:
        """POST of a Binding, with the pod's uid."""
        await self._client.bind(pod.namespace, pod.name, pod.uid, node)


def claim_reference(claim: PersistentVolumeClaim) -> ObjectReference:
    """A volume's claimRef to the claim."""
    return ObjectReference(
        kind=CLAIMS.kind,
        api_version=CLAIMS.api_version,
        namespace=claim.namespace,
        name=claim.name,
        uid=claim.uid,
        resource_version=claim.metadata.resource_version,
    )
