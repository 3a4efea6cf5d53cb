"""Which plugin does what: one table of those that are built in, and a row more for each CSI driver that is named.

A class names its plugin by the provisioner's name, a volume by the source that it has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from model.volumes import PersistentVolume, VolumeSpec
from plugins import host_path, nfs
from plugins.host_path import HostPath
from plugins.nfs import Nfs
from plugins.protocol import Deleter, Provisioner, Recycler


@dataclass(frozen=True)
class Settings:
    """What the built-in plugins can be told."""

    host_path_root: Path = host_path.ROOT
    """Where directories of hostPath volumes are made; those of several nodes too, if they share the machine."""
    deadline_seconds: float = 30.0
    """How long a call may take before it counts as in doubt."""
    csi: Mapping[str, str] = field(default_factory=dict)
    """The sockets of CSI drivers by the drivers' names."""


@dataclass(frozen=True)
class Row:
    """One plugin of the table."""

    name: str
    serves: Callable[[VolumeSpec], bool]
    """Whether a volume's source is the plugin's."""
    make: Callable[[Settings], object]


BUILT_IN: Final = (
    Row(
        host_path.NAME,
        lambda spec: spec.host_path is not None,
        lambda settings: HostPath(settings.host_path_root, deadline_seconds=settings.deadline_seconds),
    ),
    Row(nfs.NAME, lambda spec: spec.nfs is not None, lambda _: Nfs()),
)


def _csi(name: str, endpoint: str) -> Row:
    from plugins.csi.volumes import CsiVolumes  # noqa: PLC0415 - gRPC is only loaded where a driver is spoken to

    return Row(
        name,
        lambda spec: spec.csi is not None and spec.csi.driver == name,
        lambda settings: CsiVolumes(name, endpoint, seconds=settings.deadline_seconds),
    )


class Nothing:
    """No plugins: for processes whose controllers need none."""

    def provisioner(self, name: str) -> None:
        """Nobody."""

    def deleter(self, volume: PersistentVolume) -> None:
        """Nobody."""

    def recycler(self, volume: PersistentVolume) -> None:
        """Nobody."""


class Registry:
    """The plugins of one process. None of its answers means that no plugin is able to do that."""

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        drivers = [_csi(name, endpoint) for name, endpoint in settings.csi.items()]
        self._plugins = tuple((row, row.make(settings)) for row in (*BUILT_IN, *drivers))

    def provisioner(self, name: str) -> Provisioner | None:
        """Who makes volumes for classes with this provisioner."""
        plugin = next((plugin for row, plugin in self._plugins if row.name == name), None)
        return plugin if isinstance(plugin, Provisioner) else None

    def deleter(self, volume: PersistentVolume) -> Deleter | None:
        """Who destroys the storage of this volume."""
        plugin = self._serving(volume)
        return plugin if isinstance(plugin, Deleter) else None

    def recycler(self, volume: PersistentVolume) -> Recycler | None:
        """Who knows how this volume is emptied."""
        plugin = self._serving(volume)
        return plugin if isinstance(plugin, Recycler) else None

    def _serving(self, volume: PersistentVolume) -> object | None:
        return next((plugin for row, plugin in self._plugins if row.serves(volume.spec)), None)
