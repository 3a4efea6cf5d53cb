"""csi-provisioner: what it watches, what its keys are, and one pass over a claim.

A key is a claim with its UID. A pass is that of the claim, if it is still there and waits; and that of what was asked
for it and is not certain yet, also where it is gone.
"""

import asyncio
import socket
import time
import uuid
from collections.abc import Iterable
from typing import Final

from controllers.csi.context import SidecarContext
from controllers.csi.names import journal
from controllers.csi.places import Places
from controllers.csi.provisioner.asking import Asking, ElsewhereError, PopulatedError
from controllers.csi.provisioner.decide import Key, Later, Make, Nothing, Refuse, is_asked, turn, volume_name
from controllers.csi.provisioner.destroying import Destroying
from controllers.csi.provisioner.job import Job
from controllers.csi.provisioner.journal import Journal
from controllers.csi.provisioner.making import Making
from controllers.csi.provisioner.metrics import Metrics
from controllers.csi.provisioner.sources import Sources
from controllers.runtime import Loop, Retry, TerminalError
from model.csi import CSINode
from model.resources import CLAIMS
from model.volumes import PersistentVolumeClaim, StorageClass
from plugins.errors import Failed

_JOURNAL: Final = "journal"
_FLUSH_SECONDS: Final = 0.25
"""How long an entry that is done may stay in the journal when nothing else is written."""


class Provisioner:
    """The controller."""

    def __init__(self, context: SidecarContext) -> None:
        base, settings, self._driver = context.base, context.settings, context.driver.name
        self._caches = base.caches
        self._settings = settings
        self._recorder = base.recorder(f"{self._driver}_{socket.gethostname()}_{uuid.uuid4()}")
        identity = f"{time.time_ns() // 10**6}-{uuid.uuid4().hex[:4]}-{self._driver}"
        self._journal = Journal(base.client, settings.namespace, journal(self._driver))
        self._sources = Sources(context)
        places = Places(base.caches, self._driver)
        self._asking = Asking(context, places, self._sources)
        metrics = Metrics(base.registry)
        self._making = Making(context, self._journal, self._recorder, metrics, identity)
        self._destroying = Destroying(context, self._recorder, metrics)
        self._hopeless: dict[str, tuple[str, float]] = {}
        """By key: what the driver will not make as it is asked; by which class, and until when it is believed."""
        first, longest = settings.backoff_seconds
        self._queue = base.queue(
            "csi-claims", base_seconds=first, max_seconds=longest, lane=lambda key: Key.read(key).namespace
        )
        self._records = base.queue("csi-journal", base_seconds=first, max_seconds=longest)
        self._caches.claims.subscribe(self._on_claim)
        self._caches.classes.subscribe(self._on_class)
        self._caches.csi_nodes.subscribe(self._on_csi_node)
        self._records.add(_JOURNAL)
        workers, resync = settings.workers, settings.resync_seconds
        self.loops = (
            Loop("csi-journal", self._records, self._keep_journal),
            Loop("csi-claims", self._queue, self._reconcile, workers, self._waiting, resync),
            Loop(
                "csi-volumes", self._destroying.queue, self._destroying.reconcile, workers, self._destroying.due, resync
            ),
            self._sources.loop,
        )

    async def _reconcile(self, text: str) -> float | None:
        key = Key.read(text)
        await self._load()
        claim = self._caches.claims.get(key.claim)
        if claim is not None and claim.uid != key.uid:
            claim = None
        job = self._journal.get(text)
        if self._caches.volumes.get(volume_name(self._settings.volume_name_prefix, key.uid)) is not None:
            self._done(text, job)
            return None
        if claim is None and job is None:
            self._done(text, None)
            return None
        if job is None:
            job = await self._job(text, claim)
        if job is None:
            return None
        return await self._make(text, job)

    async def _make(self, text: str, job: Job) -> float | None:
        try:
            again = await self._making.make(job)
        finally:  # what failed for good is done, too
            self._records.add_after(_JOURNAL, _FLUSH_SECONDS)
        if again is not None:
            until = asyncio.get_running_loop().time() + again
            self._hopeless[text] = (self._class_of(job), until)
        return again

    async def _job(self, text: str, claim: PersistentVolumeClaim | None) -> Job | None:
        """What is to be asked for a claim; None where it is not our turn, or not yet."""
        if claim is None:
            return None
        storage_class = self._caches.classes.get(claim.storage_class) if claim.storage_class else None
        match turn(claim, storage_class, self._driver):
            case Nothing():
                return None
            case Refuse(why):
                self._making.tell(claim, why)
                raise TerminalError(why)
            case Later(why):
                self._making.tell(claim, why)
                raise Retry(why)
            case Make(storage_class):
                return await self._asked(text, claim, storage_class)

    async def _asked(self, text: str, claim: PersistentVolumeClaim, storage_class: StorageClass) -> Job | None:
        uid, until = self._hopeless.get(text, ("", 0.0))
        if uid == storage_class.uid and asyncio.get_running_loop().time() < until:
            return None
        self._recorder.event(claim, CLAIMS, "Normal", "Provisioning", f"{self._driver} makes a volume for the claim")
        try:
            return await self._asking.job(claim, storage_class)
        except PopulatedError as error:
            self._recorder.event(claim, CLAIMS, "Normal", "Provisioning", str(error))
        except ElsewhereError as error:
            await self._making.reschedule(claim, str(error))
        except Failed as error:
            self._making.tell(claim, str(error))
            raise Retry(str(error)) from error
        return None

    def _done(self, text: str, job: Job | None) -> None:
        self._hopeless.pop(text, None)
        if job is not None:
            self._journal.drop(job)
            self._records.add_after(_JOURNAL, _FLUSH_SECONDS)

    def _class_of(self, job: Job) -> str:
        found = self._caches.classes.get(job.storage_class)
        return found.uid if found else ""

    # --- the journal ---

    async def _keep_journal(self, _: str) -> float | None:
        await self._load()
        await self._journal.flush()
        return None

    async def _load(self) -> None:
        for key in await self._journal.load():
            self._queue.add(key)

    # --- what happens ---

    def _on_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        claim = new or old
        if claim is not None and is_asked(claim, self._driver):
            self._queue.add(str(Key.of(claim)))

    def _on_class(self, _old: StorageClass | None, new: StorageClass | None) -> None:
        if new is not None:
            for claim in self._caches.claims.by("class", new.name):
                self._on_claim(None, claim)

    def _on_csi_node(self, old: CSINode | None, new: CSINode | None) -> None:
        """Claims that found no place may find one where the driver was registered just now."""
        if new is None or (old is not None and old.spec == new.spec):
            return
        if any(each.name == self._driver for each in new.spec.drivers or ()):
            for key in self._queue.failing():
                self._queue.add(key)

    def _waiting(self) -> Iterable[str]:
        return [str(Key.of(each)) for each in self._caches.claims.values() if is_asked(each, self._driver)]
