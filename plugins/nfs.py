"""NFS: exports of a server that somebody else makes; mounted for each pod by itself.

Rule: the in-tree plugin `kubernetes.io/nfs`.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from model.volumes import PersistentVolume
from plugins.errors import Failed, PluginError
from plugins.host import Host, checked_path
from plugins.recycling import scrub_seconds
from plugins.source import PodFacts, Source

NAME: Final = "kubernetes.io/nfs"

_LEAST_SCRUB_SECONDS: Final = 300


class _Fields(msgspec.Struct, rename="camel"):
    server: str = ""
    path: str = ""
    read_only: bool = False


class Nfs:
    """Recycles exports."""

    def scrub_seconds(self, volume: PersistentVolume) -> int:
        """How long the pod that empties the volume may run."""
        return scrub_seconds(volume, _LEAST_SCRUB_SECONDS)


class NfsMounter:
    """Mounts exports for pods."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def mount(self, source: Source, pod: PodFacts) -> Path:
        """Mount the export; what is mounted already is a success.

        Raises:
            Failed: the source is none, or the mount failed; nothing is left of it then.
            InDoubt: the server did not answer in time.
        """
        fields = source.fields(_Fields)
        device = export(fields.server, fields.path)
        path = self._host.pod_path(NAME, pod.uid, source.name)
        if await self._host.mounts.is_mount_point(path):
            return path
        await self._host.make_directory(path)
        options = sorted({*source.mount_options, *(("ro",) if source.read_only or fields.read_only else ())})
        try:
            await self._host.mounts.mount(device, path, "nfs", options)
        except PluginError:
            with suppress(PluginError):  # the mount's failure is what counts
                await self._host.release(path)
            raise
        return path

    async def unmount(self, name: str, pod_uid: str) -> None:
        """Unmount it, by force where the server does not answer.

        Raises:
            Failed: something holds it.
        """
        await self._host.release(self._host.pod_path(NAME, pod_uid, name))


def export(server: str, path: str) -> str:
    """What is mounted, as mount.nfs reads it.

    Raises:
        Failed: the server or the path is none.
    """
    if not server or any(character in server for character in "/ \0\t\n"):
        raise Failed(f"{server!r} is no NFS server")
    host = f"[{server}]" if ":" in server and not server.startswith("[") else server
    return f"{host}:{checked_path(path, 'the NFS path')}"
