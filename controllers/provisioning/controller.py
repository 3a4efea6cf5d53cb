"""plugin-provisioner: what it watches, what its keys are, and one pass over each.

Its keys are those of claims that wait for a plugin of ours, and of volumes that a plugin of ours is to destroy.
"""

from collections.abc import Iterable
from typing import Final

from controllers.migration import expected_provisioner
from controllers.provisioning.decide import (
    Action,
    Later,
    Nothing,
    Provision,
    Refuse,
    Reschedule,
    decide,
    volume_name,
)
from controllers.provisioning.destroying import Destroying
from controllers.provisioning.making import Job, Making
from controllers.provisioning.metrics import Metrics
from controllers.provisioning.reporting import Reporters
from controllers.runtime import Context, Loop, Retry, TerminalError
from kube.errors import NotFound
from model.meta import split_key
from model.resources import CLAIMS, CLASSES, NODES, VOLUMES
from model.volumes import PersistentVolume, PersistentVolumeClaim, StorageClass
from model.workloads import Node
from plugins.protocol import Provisioner

CACHES: Final = (CLAIMS, VOLUMES, CLASSES, NODES)


class PluginProvisioner:
    """The controller."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._caches = context.caches
        self._plugins = context.plugins
        reporters = Reporters(context)
        metrics = Metrics(context.registry)
        self._making = Making(context, reporters, metrics)
        self._destroying = Destroying(context, reporters, metrics)
        first, longest = context.settings.plugin_backoff_seconds
        self._provisions = context.queue(
            "provision", base_seconds=first, max_seconds=longest, lane=lambda key: split_key(key)[0]
        )
        self._deletions = context.queue("delete", base_seconds=first, max_seconds=longest)
        self._caches.claims.subscribe(self._on_claim)
        self._caches.volumes.subscribe(self._on_volume)
        self._caches.classes.subscribe(self._on_class)
        workers = context.settings.provision_workers
        self.loops = (
            Loop("provision", self._provisions, self._reconcile, workers),
            Loop("delete", self._deletions, self._destroying.reconcile, workers, self._to_destroy),
        )

    async def _reconcile(self, key: str) -> float | None:
        claim = self._caches.claims.get(key)
        await self._making.finish(key, claim)
        plugin = self._plugin_for(claim) if claim is not None else None
        if claim is None or plugin is None:
            return None
        storage_class = self._caches.classes.get(claim.storage_class) if claim.storage_class else None
        node = await self._node(claim.selected_node) if claim.selected_node else None
        made = self._caches.volumes.get(volume_name(claim)) is not None
        if made:
            self._making.done(key)
        await self._carry_out(decide(claim, storage_class, node, made=made), claim, storage_class, plugin)
        return None

    async def _carry_out(
        self, action: Action, claim: PersistentVolumeClaim, storage_class: StorageClass | None, plugin: Provisioner
    ) -> None:
        match action:
            case Nothing():
                pass
            case Refuse(why):
                self._making.tell(claim, why)
                raise TerminalError(why)
            case Later(why):
                self._making.tell(claim, why)
                raise Retry(why)
            case Reschedule(why):
                await self._making.reschedule(claim, why)
            case Provision(request):
                assert storage_class is not None, "decided by the class"
                await self._making.make(Job(claim, storage_class, request, plugin))

    def _plugin_for(self, claim: PersistentVolumeClaim) -> Provisioner | None:
        name = expected_provisioner(claim)
        return self._plugins.provisioner(name) if name else None

    async def _node(self, name: str) -> Node | None:
        """The node; the server is asked before a claim is sent to another one."""
        node = self._caches.nodes.get(name)
        if node is not None:
            return node
        try:
            return await self._client.get(NODES, name)
        except (NotFound, ValueError):
            return None

    # --- what happens ---

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        claim = new or old
        if claim is not None and self._plugin_for(claim) is not None:
            self._provisions.add(claim.key)

    def _on_class(self, old: StorageClass | None, new: StorageClass | None) -> None:
        storage_class = new or old
        if storage_class is not None:
            for claim in self._caches.claims.by("class", storage_class.name):
                if not claim.spec.volume_name:
                    self._on_claim(None, claim)

    def _on_volume(self, _old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        if new is not None and self._destroying.deleter_of(new) is not None and not self._deletions.failures(new.name):
            self._deletions.add(new.name)

    def _to_destroy(self) -> Iterable[str]:
        volumes = (each for each in self._caches.volumes.values() if self._destroying.deleter_of(each) is not None)
        return [each.name for each in volumes if not self._deletions.failures(each.name)]
