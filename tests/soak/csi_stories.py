"""What users do with claims of a CSI class, one story after the other: some in order, some in haste.

Whatever is killed meanwhile, a story ends as it would have without: with what was written still there where it must be.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

from kube.caches import Caches
from kube.client import Client
from kube.errors import NotFound
from model.meta import JSON
from model.resources import ATTACHMENTS, CLAIMS, SNAPSHOT_CONTENTS, SNAPSHOTS, VOLUMES, Resource
from model.snapshots import VolumeSnapshot
from model.volumes import PersistentVolume, PersistentVolumeClaim
from tests.csi_live.objects import attachment, claim, of_claim, of_snapshot, snapshot
from tests.waiting import eventually

CACHED: Final = (CLAIMS, VOLUMES, ATTACHMENTS, SNAPSHOTS, SNAPSHOT_CONTENTS)
NAMESPACE: Final = "default"
CLASS: Final = "soak"
DRIVER: Final = "hostpath.csi.soak"
NODES: Final = ("node-1", "node-2")
PATIENCE_SECONDS: Final = 120.0
"""A step that takes longer is stuck."""
MORE: Final = "2Gi"
"""What a claim grows to."""


class Stories:
    """Stories on one cluster, any number at a time. What goes wrong ends the story with an error."""

    def __init__(self, client: Client, caches: Caches, contents: Path, random: Random) -> None:
        self._client = client
        self._caches = caches
        self._contents = contents
        """The driver's folder of volumes."""
        self._random = random
        self._number = 0
        self.told: Counter[str] = Counter()
        """How many stories came to their end, by kind."""
        self._kinds = (
            self._used,
            self._grown,
            self._attached,
            self._let_go_while_attached,
            self._moved,
            self._restored,
            self._copied,
            self._snapshot_outlives_its_claim,
            self._dropped_at_once,
            self._snapshot_dropped_at_once,
            self._copy_dropped_at_once,
        )

    async def one(self) -> None:
        """Any one, from its beginning to its end."""
        self._number += 1
        kind: Callable[[str], Awaitable[None]] = self._random.choice(self._kinds)
        await kind(f"{kind.__name__.strip('_').replace('_', '-')}-{self._number}")
        self.told[kind.__name__.strip("_").replace("_", " ")] += 1

    async def keep(self, name: str) -> None:
        """A claim that stays, attached, with a snapshot that stays."""
        volume = await self._made(name)
        await self._attach(name, volume)
        await self._snapshot(name, name)

    async def drop(self, name: str) -> None:
        """Take away what was kept."""
        await self._is_whole(name, name)
        await self._delete(SNAPSHOTS, name)
        await self._detach(name)
        await self._gone(name)

    # --- in order ---

    async def _used(self, name: str) -> None:
        await self._made(name)
        await self._gone(name)

    async def _grown(self, name: str) -> None:
        await self._made(name)
        more = {"spec": {"resources": {"requests": {"storage": MORE}}}}
        await self._client.patch(CLAIMS, name, more, NAMESPACE)
        await self._until(f"{name} is grown", lambda: self._capacity(name) == MORE)
        await self._gone(name)

    async def _attached(self, name: str) -> None:
        await self._attach(name, await self._made(name))
        await self._detach(name)
        await self._gone(name)

    async def _moved(self, name: str) -> None:
        volume = await self._made(name)
        for node in NODES:
            await self._attach(name, volume, node)
            await self._detach(name)
        await self._gone(name)

    async def _let_go_while_attached(self, name: str) -> None:
        volume = await self._made(name)
        await self._attach(name, volume)
        await self._delete(CLAIMS, name)
        await self._until(f"volume of {name} is released", lambda: self._phase(volume) == "Released")
        await asyncio.sleep(self._random.random())
        assert self._note(volume).read_text(encoding="utf-8") == name, f"{name} was deleted while it was attached"
        await self._detach(name)
        await self._until(f"volume of {name} is gone", lambda: not self._phase(volume))

    async def _restored(self, name: str) -> None:
        await self._made(name)
        await self._snapshot(name, name)
        await self._filled(f"{name}-again", of_snapshot(name), name)
        await self._delete(SNAPSHOTS, name)
        await self._gone(name)
        await self._gone(f"{name}-again", name)

    async def _copied(self, name: str) -> None:
        await self._made(name)
        await self._filled(f"{name}-copy", of_claim(name), name)
        await self._gone(f"{name}-copy", name)
        await self._gone(name)

    async def _snapshot_outlives_its_claim(self, name: str) -> None:
        await self._made(name)
        await self._snapshot(name, name)
        await self._gone(name)
        await self._filled(f"{name}-again", of_snapshot(name), name)
        await self._gone(f"{name}-again", name)
        await self._delete(SNAPSHOTS, name)

    # --- in haste ---

    async def _dropped_at_once(self, name: str) -> None:
        await self._create(CLAIMS, claim(name, CLASS))
        await asyncio.sleep(self._random.random() * 0.2)
        await self._delete(CLAIMS, name)

    async def _snapshot_dropped_at_once(self, name: str) -> None:
        await self._made(name)
        await self._create(SNAPSHOTS, snapshot(name, name, CLASS))
        await asyncio.sleep(self._random.random() * 0.2)
        await self._delete(SNAPSHOTS, name)
        await self._gone(name)

    async def _copy_dropped_at_once(self, name: str) -> None:
        await self._made(name)
        await self._create(CLAIMS, claim(f"{name}-copy", CLASS, source=of_claim(name)))
        await asyncio.sleep(self._random.random() * 0.2)
        await self._delete(CLAIMS, f"{name}-copy")
        await self._gone(name)

    # --- steps ---

    async def _made(self, name: str) -> str:
        """Make a claim, and write its name into its volume; the volume's name."""
        await self._create(CLAIMS, claim(name, CLASS))
        volume = await self._bound(name)
        self._note(volume).write_text(name, encoding="utf-8")
        return volume

    async def _filled(self, name: str, source: JSON, text: str) -> None:
        await self._create(CLAIMS, claim(name, CLASS, source=source))
        await self._bound(name)
        await self._is_whole(name, text)

    async def _bound(self, name: str) -> str:
        await self._until(f"{name} is bound", lambda: self._is_bound(name))
        return self._volume_of(name)

    async def _gone(self, name: str, text: str = "") -> None:
        """Delete a claim, in whose volume all must still be; and see both go."""
        volume = self._volume_of(name)
        await self._is_whole(name, text or name)
        await self._delete(CLAIMS, name)
        await self._until(f"volume of {name} is gone", lambda: not self._phase(volume))

    async def _is_whole(self, name: str, text: str) -> None:
        found = await asyncio.to_thread(self._note(self._volume_of(name)).read_text, encoding="utf-8")
        assert found == text, f"{name} holds {found!r}, not {text!r}"

    async def _attach(self, name: str, volume: str, node: str = NODES[0]) -> None:
        await self._create(ATTACHMENTS, attachment(name, DRIVER, node, volume))
        await self._until(f"{name} is attached", lambda: self._is_attached(name))

    async def _detach(self, name: str) -> None:
        await self._delete(ATTACHMENTS, name)

    async def _snapshot(self, name: str, of: str) -> None:
        await self._create(SNAPSHOTS, snapshot(name, of, CLASS))
        await self._until(f"snapshot {name} is ready", lambda: self._is_ready(name))

    async def _create(self, resource: Resource[Any], body: JSON) -> None:
        await self._client.create(resource, body, _namespace(resource))

    async def _delete(self, resource: Resource[Any], name: str) -> None:
        """Delete an object, and see it go."""
        namespace = _namespace(resource)
        with suppress(NotFound):
            await self._client.delete(resource, name, namespace)
        key = f"{namespace}/{name}" if namespace else name
        await self._until(f"{resource.kind} {name} is gone", lambda: self._caches.of(resource).get(key) is None)

    async def _until(self, what: str, holds: Callable[[], Any]) -> None:
        try:
            _ = await eventually(holds, within_seconds=PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"not after {PATIENCE_SECONDS:g} s: {what}") from None

    # --- what is seen ---

    def _claim(self, name: str) -> PersistentVolumeClaim | None:
        return self._caches.claims.get(f"{NAMESPACE}/{name}")

    def _volume(self, name: str) -> PersistentVolume | None:
        return self._caches.volumes.get(name)

    def _snapshot_named(self, name: str) -> VolumeSnapshot | None:
        return self._caches.of(SNAPSHOTS).get(f"{NAMESPACE}/{name}")

    def _volume_of(self, name: str) -> str:
        found = self._claim(name)
        return found.spec.volume_name if found else ""

    def _is_bound(self, name: str) -> bool:
        found = self._claim(name)
        return found is not None and found.status.phase == "Bound" and self._phase(found.spec.volume_name) == "Bound"

    def _capacity(self, name: str) -> str:
        found = self._claim(name)
        return (found.status.capacity or {}).get("storage", "") if found else ""

    def _is_attached(self, name: str) -> bool:
        found = self._caches.attachments.get(name)
        return found is not None and bool(found.status.attached)

    def _is_ready(self, name: str) -> bool:
        found = self._snapshot_named(name)
        return found is not None and bool(found.status.ready_to_use)

    def _phase(self, volume: str) -> str:
        """Of a volume; "" where there is none."""
        found = self._volume(volume)
        return found.status.phase if found else ""

    def _note(self, volume: str) -> Path:
        found = self._volume(volume)
        assert found is not None, f"volume {volume} is gone"
        assert found.spec.csi is not None, f"volume {volume} is none of a CSI driver"
        return self._contents / found.spec.csi.volume_handle / "note"


def _namespace(resource: Resource[Any]) -> str:
    return NAMESPACE if resource.namespaced else ""
