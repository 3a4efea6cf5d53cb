"""Which plugin mounts a volume on this node: those that are built in, CSI, and the FlexVolume drivers there are now.

A plugin that lacks what is asked for answers None: that volume simply has no such step.
"""

from collections.abc import Mapping
from typing import Final

from plugins.empty_dir import EmptyDir
from plugins.errors import Failed
from plugins.flexvolume.driver import Missing
from plugins.flexvolume.options import Fields
from plugins.flexvolume.probe import Prober
from plugins.host import Host
from plugins.host_path import HostPathMounter
from plugins.local import Local
from plugins.nfs import NfsMounter
from plugins.protocol import Attacher, BlockMapper, DeviceMounter, Expander, Mounter, NodeExpander
from plugins.source import Source

FLEX: Final = "flexVolume"
"""The member of the API that a FlexVolume source is in."""


class NodePlugins:
    """The plugins of one node."""

    def __init__(self, host: Host, prober: Prober | None = None, csi: Mounter | None = None) -> None:
        """`csi` is a `plugins.csi.mounting.mounter.CsiMounter`, which a node without CSI does not load."""
        self._prober = prober
        self._built_in: Mapping[str, object] = {
            "hostPath": HostPathMounter(),
            "local": Local(host),
            "nfs": NfsMounter(host),
            "emptyDir": EmptyDir(host),
            **({"csi": csi} if csi else {}),
        }

    async def mounter(self, source: Source) -> Mounter:
        """Who mounts it for a pod.

        Raises:
            Failed: nobody.
        """
        plugin = await self._plugin(source)
        if not isinstance(plugin, Mounter):
            raise Failed(f"no plugin mounts volume {source.name!r} of kind {source.kind}")
        return plugin

    async def attacher(self, source: Source) -> Attacher | None:
        """Who attaches it."""
        plugin = await self._plugin(source)
        return plugin if isinstance(plugin, Attacher) and plugin.can_attach(source) else None

    async def device_mounter(self, source: Source) -> DeviceMounter | None:
        """Who mounts it for the node, before it is mounted for pods."""
        plugin = await self._plugin(source)
        return plugin if isinstance(plugin, DeviceMounter) and plugin.can_mount_device(source) else None

    async def block_mapper(self, source: Source) -> BlockMapper | None:
        """Who maps it as a block device."""
        plugin = await self._plugin(source)
        return plugin if isinstance(plugin, BlockMapper) else None

    async def expander(self, source: Source) -> Expander | None:
        """Who grows it; for a driver that is not installed here, somebody who leaves it to the node."""
        plugin = await self._plugin(source)
        if plugin is None and source.kind == FLEX:
            return Missing()
        return plugin if isinstance(plugin, Expander) else None

    async def node_expander(self, source: Source) -> NodeExpander | None:
        """Who grows its file system."""
        plugin = await self._plugin(source)
        return plugin if isinstance(plugin, NodeExpander) else None

    async def _plugin(self, source: Source) -> object | None:
        if source.kind == FLEX and self._prober:
            return await self._prober.driver(source.fields(Fields).driver)
        return self._built_in.get(source.kind)
