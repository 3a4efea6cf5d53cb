"""A real control plane with all that works on claims beside CSI drivers, as any cluster has it; and its snapshot kinds.

Nodes are objects: what kubelet writes where a driver is registered is written by hand.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.rbac import Component, Names, Sidecar, roles
from deploy.snapshot_crds import definitions
from kube.client import Client, connect
from kube.config import load
from kube.errors import NotFound
from model.meta import JSON
from model.resources import CLAIMS, CSI_DRIVERS, CSI_NODES, NODES, VOLUMES, ObjectT, Resource
from model.volumes import PersistentVolume, PersistentVolumeClaim, VolumePhase
from tests.controlplane.guard import Guard, guarding
from tests.controlplane.plane import ControlPlane
from tests.csi_live.objects import csi_driver, csi_node, node
from tests.sandbox.kubectl.tool import Kubectl
from tests.waiting import eventually

NAMESPACE: Final = "default"
OURS: Final = "lading"
"""The namespace of Lading's parts."""
_CRDS: Final = yaml.safe_dump_all(definitions())


@dataclass(frozen=True)
class Cluster:
    """The cluster, and what its users do and wait for. What has a namespace is in `default`."""

    plane: ControlPlane
    client: Client
    kubectl: Kubectl
    guard: Guard

    async def create(self, resource: Resource[ObjectT], body: JSON) -> ObjectT:
        """Create an object."""
        return await self.client.create(resource, body, _namespace(resource))

    async def merge(self, resource: Resource[ObjectT], name: str, change: JSON) -> ObjectT:
        """Change an object."""
        return await self.client.patch(resource, name, change, _namespace(resource))

    async def get(self, resource: Resource[ObjectT], name: str) -> ObjectT | None:
        """An object as it is now; None where there is none."""
        try:
            return await self.client.get(resource, name, _namespace(resource))
        except NotFound:
            return None

    async def delete(self, resource: Resource[Any], name: str) -> None:
        """Delete an object; what is gone already is well."""
        with suppress(NotFound):
            await self.client.delete(resource, name, _namespace(resource), grace_seconds=0)

    async def until(self, resource: Resource[ObjectT], name: str, holds: Callable[[ObjectT], Any]) -> ObjectT:
        """The object once it is there and this holds of it."""
        last: ObjectT | None = None

        async def is_so() -> bool:
            nonlocal last
            last = await self.get(resource, name)
            return last is not None and bool(holds(last))

        try:
            _ = await eventually(is_so)
        except TimeoutError:
            raise AssertionError(f"never true of {resource.kind} {name}, which is now {last}") from None
        assert last is not None
        return last

    async def until_gone(self, resource: Resource[Any], name: str) -> None:
        """Return once there is no such object."""

        async def is_gone() -> bool:
            return await self.get(resource, name) is None

        try:
            _ = await eventually(is_gone)
        except TimeoutError:
            raise AssertionError(f"still there: {await self.get(resource, name)}") from None

    async def bound(self, name: str) -> tuple[PersistentVolumeClaim, PersistentVolume]:
        """A claim and its volume, once both are Bound."""
        claim = await self.until(CLAIMS, name, lambda each: each.status.phase == "Bound" and each.spec.volume_name)
        volume = await self.until(VOLUMES, claim.spec.volume_name, lambda each: each.status.phase == VolumePhase.BOUND)
        return claim, volume

    @asynccontextmanager
    async def having(self, *made: tuple[Resource[Any], JSON]) -> AsyncIterator[None]:
        """Objects that are there while the block runs."""
        async with AsyncExitStack() as stack:
            for resource, body in made:
                created = await self.create(resource, body)
                stack.push_async_callback(self.delete, resource, created.name)
            yield

    @asynccontextmanager
    async def granted(self, driver: str) -> AsyncIterator[Path]:
        """A kubeconfig for a driver's sidecar, with all rights that it is given and no others, while the block runs."""
        names, tool = Names(namespace=OURS), replace(self.kubectl, namespace=OURS)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS}}
        made = yaml.safe_dump_all(roles(Component.CSI_SIDECAR, names=names, beside=Sidecar(driver, secrets=True)))
        await tool("apply", "-f", "-", stdin=yaml.safe_dump(namespace))
        await tool("apply", "-f", "-", stdin=made)
        try:
            yield await self.plane.kubeconfig_for_service_account(OURS, names.sidecar(driver))
        finally:
            await tool("delete", "-f", "-", "--ignore-not-found", stdin=made)

    def registered(
        self, driver: str, labels: dict[str, str], *nodes: str, **spec: Any
    ) -> AbstractAsyncContextManager[None]:
        """A driver that is installed, and registered on nodes that are all in one place, while the block runs."""
        return self.having(
            (CSI_DRIVERS, csi_driver(driver, **spec)),
            *((NODES, node(name, labels)) for name in nodes),
            *((CSI_NODES, csi_node(name, driver, labels)) for name in nodes),
        )


@asynccontextmanager
async def cluster(plane: ControlPlane, kubectl: Path, folder: Path) -> AsyncIterator[Cluster]:
    """kube-controller-manager at work and the snapshot kinds there, while the block runs."""
    tool = Kubectl(kubectl, plane.kubeconfig, folder)
    async with (
        plane.controller_manager(),
        connect(await load(plane.kubeconfig), user_agent="test", field_manager="test") as client,
        guarding() as guard,
    ):
        await _install(tool)
        yield Cluster(plane, client, tool, guard)
        await tool("delete", "-f", "-", "--ignore-not-found", stdin=_CRDS)


async def _install(tool: Kubectl) -> None:
    """The snapshot kinds, from when they are served."""
    await tool("apply", "-f", "-", stdin=_CRDS)
    wanted = {each["metadata"]["name"] for each in definitions()}

    async def served() -> bool:
        printed = await tool("api-resources", "--api-group=snapshot.storage.k8s.io", "-o", "name", "--cached=false")
        return wanted <= set(printed.split())

    _ = await eventually(served)


def _namespace(resource: Resource[Any]) -> str:
    return NAMESPACE if resource.namespaced else ""
