"""Claims of generic ephemeral volumes, made on a server."""

from controllers.ephemeral.decide import made_for
from tests.controllers.at_work import on_sandbox
from tests.controllers.given import makes_claim
from tests.controllers.manifests import claim, pod
from tests.waiting import eventually

EPHEMERAL = "ephemeral-volume-controller"
KIND = "PersistentVolumeClaim"
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}


async def test_a_pod_gets_its_claims_and_gets_them_anew(tmp_path):
    async with on_sandbox(tmp_path, EPHEMERAL) as (api, work):
        await api.create(pod("web", makes_claim("a", spec=SPEC), makes_claim("b", spec=SPEC)))
        await work.settle()
        first = await api.all(KIND)
        assert {each["metadata"]["name"] for each in first} == {"web-a", "web-b"}
        for each in first:
            await api.merge(each, {"metadata": {"finalizers": None}})
            await api.delete(KIND, "default", each["metadata"]["name"])
        await work.settle()
        assert not uids(await api.all(KIND)) & uids(first)
        assert len(await api.all(KIND)) == 2


async def test_a_foreign_claim_is_told_of_and_left_alone_and_replaced_once_it_is_gone(tmp_path):
    async with on_sandbox(tmp_path, EPHEMERAL) as (api, work):
        foreign = await api.create(claim("web-a"))
        owner = await api.create(pod("web", makes_claim("a", spec=SPEC)))
        await work.settle()
        assert uids(await api.all(KIND)) == uids([foreign])
        (event,) = await eventually(lambda: api.events("default"))
        assert (event["reason"], event["type"], event["involvedObject"]["uid"]) == (
            "FailedBinding",
            "Warning",
            owner["metadata"]["uid"],
        )
        await api.merge(claim("web-a"), {"metadata": {"finalizers": None}})
        await api.delete(KIND, "default", "web-a")
        await work.settle()
        (made,) = work.caches.claims.values()
        assert made_for(work.caches.pods.get("default/web"), made)


async def test_a_pod_on_its_way_out_gets_none(tmp_path):
    async with on_sandbox(tmp_path, EPHEMERAL) as (api, work):
        held = pod("web", node="n1")
        held["metadata"]["finalizers"] = ["a.example/hold"]
        held["spec"]["volumes"] = [makes_claim("a", spec=SPEC)]
        await api.create(held)
        await work.settle()
        await api.delete("Pod", "default", "web")
        await api.merge(claim("web-a"), {"metadata": {"finalizers": None}})
        await api.delete(KIND, "default", "web-a")
        await work.settle()
        assert await api.all(KIND) == []


def uids(objects):
    return {each["metadata"]["uid"] for each in objects}
