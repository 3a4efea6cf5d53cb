"""Protection at work on a server: finalizers come and go, and a stale cache lets nothing go."""

import pytest

from kube.client import Client
from model import names
from model.resources import PODS
from tests.controllers.at_work import at_work, on_sandbox
from tests.controllers.given import names_claim
from tests.controllers.manifests import claim, pod, volume
from tests.waiting import eventually

CLAIMS = "persistentvolumeclaim-protection-controller"
VOLUMES = "persistentvolume-protection-controller"
CLAIM = ("PersistentVolumeClaim", "default", "data")
VOLUME = ("PersistentVolume", "", "disk")
FOREIGN = "a.example/foreign"
OTHER = {"type": "Other", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}


def held_by(*finalizers):
    return {"metadata": {"finalizers": list(finalizers) or None}}


async def test_who_lost_the_finalizer_gets_it_back_beside_those_of_others(tmp_path):
    async with on_sandbox(tmp_path, CLAIMS, VOLUMES) as (api, work):
        for obj in (claim("data"), volume("disk")):
            await api.create(obj)
            await api.merge(obj, held_by(FOREIGN))
        await work.settle()
        assert (await api.get(*CLAIM))["metadata"]["finalizers"] == [FOREIGN, names.CLAIM_PROTECTION]
        assert (await api.get(*VOLUME))["metadata"]["finalizers"] == [FOREIGN, names.VOLUME_PROTECTION]


async def test_who_goes_keeps_the_finalizers_of_others(tmp_path):
    async with on_sandbox(tmp_path, CLAIMS, VOLUMES) as (api, work):
        await api.create(claim("data", metadata=held_by(FOREIGN)["metadata"]))
        await api.create(volume("disk", metadata=held_by(FOREIGN)["metadata"]))
        for identity in (CLAIM, VOLUME):
            await api.delete(*identity)
        await work.settle()
        for identity in (CLAIM, VOLUME):
            assert (await api.get(*identity))["metadata"]["finalizers"] == [FOREIGN]


async def test_a_claim_stays_until_its_pod_is_removed_even_if_that_has_ended(tmp_path):
    async with on_sandbox(tmp_path, CLAIMS) as (api, work):
        user = pod("web", names_claim("data"), node="n1")
        for obj in (claim("data"), user):
            await api.create(obj)
        await api.delete(*CLAIM)
        await api.merge(user, {"status": {"phase": "Succeeded"}}, "status")
        await work.settle()
        assert (await api.get(*CLAIM))["metadata"]["deletionTimestamp"]
        await api.delete("Pod", "default", "web", gracePeriodSeconds=0)
        await eventually(lambda: _is_gone(api, CLAIM))


async def test_a_claim_stays_whose_pod_no_cache_knows_yet(tmp_path, lists):
    async with on_sandbox(tmp_path, CLAIMS) as (api, work):
        work.caches.pods.show = lambda _: None
        for obj in (claim("data"), pod("web", names_claim("data"), node="n1")):
            await api.create(obj)
        await api.delete(*CLAIM)
        await eventually(lambda: lists and work.resting())
        assert (await api.get(*CLAIM))["metadata"]["finalizers"] == [names.CLAIM_PROTECTION]


async def test_claims_that_go_together_cost_one_list_of_pods(tmp_path, lists):
    async with on_sandbox(tmp_path, VOLUMES) as (api, _):
        for number in range(30):
            await api.create(claim(f"data-{number}"))
            await api.delete("PersistentVolumeClaim", "default", f"data-{number}")
        async with at_work(tmp_path / "kubeconfig", api, [CLAIMS]) as work:
            await work.settle()
        assert await api.all("PersistentVolumeClaim") == []
        assert lists == [PODS]


async def test_a_bound_claim_says_since_when_no_pod_uses_it(tmp_path):
    async with on_sandbox(tmp_path, CLAIMS) as (api, work):
        wanted = claim("data")
        await api.create(wanted)
        await api.merge(wanted, {"status": {"phase": "Bound", "conditions": [OTHER]}}, "status")
        await work.settle()
        assert await _conditions(api) == {"Other": "True", "Unused": "True"}
        await api.create(pod("web", names_claim("data")))
        await work.settle()
        assert await _conditions(api) == {"Other": "True", "Unused": "False"}
        await api.delete("Pod", "default", "web")
        await work.settle()
        assert await _conditions(api) == {"Other": "True", "Unused": "True"}


async def _conditions(api):
    return {each["type"]: each["status"] for each in (await api.get(*CLAIM))["status"]["conditions"]}


@pytest.fixture
def lists(monkeypatch):
    """What the server is asked for lists of, apart from the caches' own."""
    asked = []
    send = Client.list

    async def counted(self, resource, *args, **kwargs):
        asked.append(resource)
        return await send(self, resource, *args, **kwargs)

    monkeypatch.setattr(Client, "list", counted)
    return asked


async def _is_gone(api, identity):
    return await api.get(*identity) is None
