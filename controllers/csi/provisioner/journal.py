"""What the driver was asked to make and what is not there yet, written down where the next process finds it.

A claim may be deleted while nobody runs that knows what was asked for it; then only this record leads to the storage.
It is a ConfigMap with an entry for each call under way. An entry is there before the driver is asked; what many
workers want written at a time goes out in one request, and what is done is taken out with the next. An entry too many
does no harm: the volume is then made, found to be nobody's, and deleted.
"""

import asyncio
import zlib
from collections.abc import Mapping

import structlog
from google.protobuf.message import DecodeError

from controllers.csi.provisioner.job import SHARED, Job, read, written
from controllers.csi.provisioner.packing import packed
from controllers.runtime import Retry
from kube.client import Client
from kube.errors import AlreadyExists, NotFound
from model.meta import JSON
from model.resources import CONFIG_MAPS

log = structlog.get_logger()

MAX_BYTES = 700_000
"""Of entries: a ConfigMap holds 1 MiB."""
GATHER_SECONDS = 0.005
"""How long a write waits for others that come with it."""
PAUSE_SECONDS = 0.05
"""How long it waits after another write: what comes in heaps goes out in heaps."""


class Journal:
    """The record of one driver, by the keys of claims. Only the leader has one."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace, self._name = namespace, name
        self._jobs: dict[str, Job] = {}
        self._sizes: dict[str, int] = {}
        """By key, what is or is about to be in the ConfigMap: entries by the UIDs of claims, and what they share."""
        self._sharing: dict[str, set[str]] = {}
        """By key, the UIDs of who shares something."""
        self._changes: dict[str, str | None] = {}
        """What is to be written next; None takes out."""
        self._writing = asyncio.Lock()
        self._loaded = False
        self._rests_until = 0.0

    def get(self, key: str) -> Job | None:
        """What was asked for a claim and may be there; also where the claim is gone."""
        return self._jobs.get(key)

    async def load(self) -> list[str]:
        """Read what an earlier process left, once; the keys of its jobs.

        Raises:
            KubeError: the server does not answer.
        """
        async with self._writing:
            if self._loaded:
                return []
            try:
                found = (await self._client.get(CONFIG_MAPS, self._name, self._namespace)).data or {}
            except NotFound:
                found = {}
            for uid, text in found.items():
                self._sizes[uid] = len(text)
                job = None if uid.startswith(SHARED) else _readable(uid, text, found)
                if job is not None:
                    self._jobs[job.key] = job
                    for key in written(job)[1]:
                        self._sharing.setdefault(key, set()).add(uid)
            for key in found:
                if key.startswith(SHARED) and key not in self._sharing:
                    self._take_out(key)
            self._loaded = True
            return list(self._jobs)

    async def keep(self, job: Job) -> None:
        """Write the job down; it is written when this returns.

        Raises:
            Retry: too much is under way.
            KubeError: it could not be written.
        """
        uid, (text, shared) = job.claim.uid, written(job)
        new = {uid: text, **{key: packed(each) for key, each in shared.items() if key not in self._sizes}}
        if sum(self._sizes.values()) + sum(map(len, new.values())) > MAX_BYTES:
            raise Retry(f"{len(self._jobs)} calls are under way or in doubt: no more are begun before some have ended")
        self._jobs[job.key] = job
        self._changes |= new
        self._sizes |= {key: len(each) for key, each in new.items()}
        for key in shared:
            self._sharing.setdefault(key, set()).add(uid)
        try:
            await self.flush()
        except BaseException:
            self.drop(job)  # it was not called for
            raise

    def drop(self, job: Job) -> None:
        """The job is done: its entry is taken out with what is written next."""
        uid = job.claim.uid
        if self._jobs.pop(job.key, None) is None:
            return
        for key in [key for key, users in self._sharing.items() if uid in users]:
            self._sharing[key].discard(uid)
            if not self._sharing[key]:
                del self._sharing[key]
                self._take_out(key)
        self._take_out(uid)

    def _take_out(self, key: str) -> None:
        self._sizes.pop(key, None)
        self._changes[key] = None

    async def flush(self) -> None:
        """Write what is to be written.

        Raises:
            KubeError: it could not be.
        """
        async with self._writing:
            if not self._changes:
                return
            clock = asyncio.get_running_loop().time
            await asyncio.sleep(max(GATHER_SECONDS, self._rests_until - clock()))
            changes, self._changes = self._changes, {}
            try:
                await self._write({"data": changes})
            except BaseException:
                self._changes = {**changes, **self._changes}
                raise
            finally:
                self._rests_until = clock() + PAUSE_SECONDS

    async def _write(self, change: JSON) -> None:
        try:
            await self._client.patch(CONFIG_MAPS, self._name, change, self._namespace)
        except NotFound:
            await self._create(change)

    async def _create(self, change: JSON) -> None:
        data = {uid: text for uid, text in change["data"].items() if text is not None}
        try:
            await self._client.create(CONFIG_MAPS, {"metadata": {"name": self._name}, "data": data}, self._namespace)
        except AlreadyExists:
            await self._client.patch(CONFIG_MAPS, self._name, change, self._namespace)


def _readable(uid: str, text: str, shared: Mapping[str, str]) -> Job | None:
    try:
        return read(text, shared)
    except (ValueError, KeyError, zlib.error, DecodeError):
        log.exception("entry of the journal is not understood", claim_uid=uid)
        return None
