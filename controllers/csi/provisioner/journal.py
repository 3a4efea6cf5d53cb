"""What the driver was asked to make and what is not there yet, written down where the next process finds it.

A claim may be deleted while nobody runs that knows what was asked for it; then only this record leads to the storage.
It is a ConfigMap with an entry for each call under way. An entry is there before the driver is asked; what many
workers want written at a time goes out in one request, and what is done is taken out with the next. An entry too many
does no harm: the volume is then made, found to be nobody's, and deleted.
"""

import asyncio
import zlib

import structlog

from controllers.csi.provisioner.job import Job, read, written
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


class Journal:
    """The record of one driver, by the keys of claims. Only the leader has one."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace, self._name = namespace, name
        self._jobs: dict[str, Job] = {}
        self._sizes: dict[str, int] = {}
        """By the UIDs of claims, what is or is about to be in the ConfigMap."""
        self._changes: dict[str, str | None] = {}
        """What is to be written next; None takes out."""
        self._writing = asyncio.Lock()
        self._loaded = False

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
            left = {}
            for uid, text in found.items():
                self._sizes[uid] = len(text)
                job = _readable(uid, text)
                if job is not None:
                    left[job.key] = job
            self._jobs, self._loaded = left, True
            return list(left)

    async def keep(self, job: Job) -> None:
        """Write the job down; it is written when this returns.

        Raises:
            Retry: too much is under way.
            KubeError: it could not be written.
        """
        uid, text = job.claim.uid, written(job)
        if sum(self._sizes.values()) + len(text) > MAX_BYTES:
            raise Retry(f"{len(self._sizes)} calls are under way or in doubt: no more are begun before some have ended")
        self._jobs[job.key], self._sizes[uid], self._changes[uid] = job, len(text), text
        try:
            await self.flush()
        except BaseException:
            self.drop(job)  # it was not called for
            raise

    def drop(self, job: Job) -> None:
        """The job is done: its entry is taken out with what is written next."""
        uid = job.claim.uid
        if self._jobs.pop(job.key, None) is not None:
            self._sizes.pop(uid, None)
            self._changes[uid] = None

    async def flush(self) -> None:
        """Write what is to be written.

        Raises:
            KubeError: it could not be.
        """
        async with self._writing:
            if not self._changes:
                return
            await asyncio.sleep(GATHER_SECONDS)
            changes, self._changes = self._changes, {}
            try:
                await self._write({"data": changes})
            except BaseException:
                self._changes = {**changes, **self._changes}
                raise

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


def _readable(uid: str, text: str) -> Job | None:
    try:
        return read(text)
    except (ValueError, KeyError, zlib.error):
        log.exception("entry of the journal is not understood", claim_uid=uid)
        return None
