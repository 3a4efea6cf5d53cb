"""A second binder at work: ours stops writing and says so."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest
from prometheus_client import CollectorRegistry

from controllers.binding.owners import Owner, stock_binder_wrote_last
from controllers.service import Controllers, cached
from kube.caches import Caches
from kube.client import connect
from kube.config import load
from kube.errors import Unreachable
from kube.events import EventRecorder
from kube.metrics import Metrics
from plugins.registry import Registry
from sandbox.attributes import Call
from tests.controllers.api import connected
from tests.controllers.inprocess import MERGE, SETTINGS, world
from tests.controllers.lifecycle.replay import swept
from tests.controllers.manifests import claim, volume
from tests.waiting import eventually

BINDER = ("persistentvolume-binder-controller",)
GUARDED = replace(SETTINGS, guarded=True)
PHASE = {"f:status": {"f:phase": {}}}
LABELS = {"f:metadata": {"f:labels": {}}}


async def stock_binder_writes(made, name, phase):
    call = Call(manager="kube-controller-manager")
    body = f'{{"status": {{"phase": "{phase}"}}}}'.encode()
    await made.api.patch(made.api.kind("v1", "PersistentVolume"), ("", name), MERGE, body, call, "status")


async def test_it_stops_for_good_and_tells_why():
    async with world(volume("v")) as made, made.controllers(*BINDER, settings=GUARDED) as running:
        await running.settle()
        assert running.controllers.complaint() is None
        await stock_binder_writes(made, "v", "Failed")
        await eventually(running.controllers.complaint)
        await eventually(lambda: "SecondVolumeBinder" in made.reasons("v"))
        assert "-persistentvolume-binder-controller" in (running.controllers.complaint() or "")
        written = len(running.transport.writes)
        await made.create(claim("c"), volume("w"))
        await eventually(lambda: running.work.caches.claims.get("default/c"))
        await asyncio.sleep(0)
        assert len(running.transport.writes) == written


async def test_its_own_writes_and_lost_answers_of_them_are_no_reason():
    def lose(transport):
        lost = []

        def after(request):
            if len(lost) < 3:
                lost.append(request)
                raise Unreachable("the answer is lost")

        transport.after = after

    there = (volume("v"), claim("c"))
    async with world(*there) as made, made.controllers(*BINDER, settings=GUARDED, prepare=lose) as running:
        await running.settle()
        assert made.pairs() == {"default/c": "v"}
        assert running.controllers.complaint() is None


@pytest.mark.controlplane
async def test_it_gives_way_to_a_real_one(control_plane):
    kubeconfig = control_plane.kubeconfig
    async with (
        connected(kubeconfig) as api,
        swept(api),
        control_plane.controller_manager(*BINDER),
        guarded_binder(kubeconfig) as binder,
    ):
        for number in count():
            await api.create(volume(f"two-{number}"))  # whose is it? the faster one's
            if binder.complaint() is not None:
                break
            await asyncio.sleep(0.05)
        assert "kube-controller-manager binds volumes too" in (binder.complaint() or "")


@asynccontextmanager
async def guarded_binder(kubeconfig):
    registry = CollectorRegistry()
    async with connect(await load(kubeconfig), metrics=Metrics(registry)) as client:
        caches, recorder = Caches(client, cached(BINDER)), EventRecorder(client, "test")
        binder = Controllers(client, caches, lambda _: recorder, registry, BINDER, Registry())
        tasks = [asyncio.create_task(each.run()) for each in (caches, recorder, binder)]
        try:
            await caches.wait_synced()
            yield binder
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def test_only_the_last_writer_of_what_a_binder_owns_counts():
    stock, ours = "kube-controller-manager", "lading"
    early, late = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    assert stock_binder_wrote_last([Owner(stock, late, PHASE), Owner(ours, early, PHASE)])
    assert not stock_binder_wrote_last([Owner(stock, early, PHASE), Owner(ours, late, PHASE)])
    assert not stock_binder_wrote_last([Owner(stock, late, LABELS), Owner(ours, early, PHASE)])
    assert not stock_binder_wrote_last([])
