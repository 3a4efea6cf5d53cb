"""A replica that waits for the lease: it gathers nothing, and when its time comes it acts on all that is there."""

import asyncio
import gc
from contextlib import asynccontextmanager
from itertools import count

from controllers.binding.matcher import Matcher
from controllers.table import ROWS
from kube.workqueue import WorkQueue
from tests.controllers.binding import objects
from tests.controllers.inprocess import world
from tests.controllers.manifests import claim, pod, volume
from tests.waiting import eventually

CHANGES = 10_000


def adds(registry):
    """How many keys were queued, by queue."""
    samples = (sample for metric in registry.collect() for sample in metric.samples)
    return {each.labels["queue"]: each.value for each in samples if each.name == "lading_queue_adds_total"}


def handlers(standby):
    return [handler for row in ROWS.values() for each in row.caches for handler in standby.caches.of(each)._handlers]


@asynccontextmanager
async def at_work(standby):
    task = asyncio.create_task(standby.controllers.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def change(standby, numbers):
    """Claims and volumes that come and go, as a busy cluster shows them."""
    for number in numbers:
        name, version = f"n-{number}", str(10**9 + number)
        for cache, made in ((standby.caches.claims, objects.claim), (standby.caches.volumes, objects.volume)):
            cache.show(objects.renamed(made(name), name, version))
            cache.remove(objects.renamed(made(name), name, version))


async def test_while_it_waits_it_holds_no_key_whatever_changes():
    async with world() as made, made.standby() as standby:
        gc.collect()
        before = sum(isinstance(each, WorkQueue | Matcher) for each in gc.get_objects())
        change(standby, range(CHANGES // 4))
        assert sum(isinstance(each, WorkQueue | Matcher) for each in gc.get_objects()) == before
        assert adds(standby.registry) == {}
        assert handlers(standby) == []


async def test_when_its_time_comes_it_acts_on_all_that_is_there():
    names = [str(number) for number in range(20)]
    async with world() as made, made.standby() as standby:
        await made.create(*(volume(f"v-{name}") for name in names), *(claim(f"c-{name}") for name in names))
        await made.delete("PersistentVolume", "", "v-19")
        await made.delete("PersistentVolumeClaim", "default", "c-19")
        async with at_work(standby):
            await eventually(lambda: len(made.pairs()) == 19)
            await eventually(lambda: {made.claim(f"c-{name}")["status"]["phase"] for name in names[:19]} == {"Bound"})


async def test_what_is_there_is_queued_once_when_it_begins():
    template = {"spec": claim("of-a-pod")["spec"]}
    there = [
        volume("v"),
        claim("c"),
        claim("d"),
        pod("p", {"name": "e", "ephemeral": {"volumeClaimTemplate": template}}),
    ]
    async with world(*there) as made, made.standby() as standby:
        await eventually(lambda: standby.caches.pods.get("default/p"))
        queues = {loop.name: len(loop.queue) for make in standby.controllers._makers for loop in make().loops}
        assert {name: length for name, length in queues.items() if length} == {
            "claims": 2,
            "volumes": 1,
            "pvcprotection": 1,
            "ephemeral_volume": 1,
        }


async def test_when_its_time_is_over_it_gathers_nothing_any_more():
    numbers = count()
    async with world(volume("v"), claim("c")) as made, made.standby() as standby:
        async with at_work(standby):
            await eventually(lambda: made.claim("c").get("status", {}).get("phase") == "Bound")
        queued = adds(standby.registry)
        change(standby, (next(numbers) for _ in range(100)))
        assert adds(standby.registry) == queued
        assert handlers(standby) == []
