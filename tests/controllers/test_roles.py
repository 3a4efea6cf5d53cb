"""The calls that protection, expander and ephemeral controller make, beside the roles that they get: equal."""

from contextlib import asynccontextmanager

import pytest

from deploy.rbac import Names, controller
from kube.transport import Transport
from tests.controllers.at_work import on_sandbox
from tests.controllers.given import makes_claim
from tests.controllers.manifests import claim, pod, volume
from tests.deploy.calls import call_of, forbidden, idle
from tests.waiting import eventually

EPHEMERAL = makes_claim("a", spec=claim("like")["spec"])
REFERENCE = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "c"}


@pytest.fixture
def calls(monkeypatch):
    """All that any client asks of the server."""
    seen, send, stream = set(), Transport.send, Transport.stream

    async def sent(self, request):
        seen.add(call_of(request))
        return await send(self, request)

    @asynccontextmanager
    async def streamed(self, request, silence_seconds):
        seen.add(call_of(request))
        async with stream(self, request, silence_seconds) as lines:
            yield lines

    monkeypatch.setattr(Transport, "send", sent)
    monkeypatch.setattr(Transport, "stream", streamed)
    return seen


def bare(obj):
    return {"metadata": {"name": obj["metadata"]["name"], "finalizers": None}}


async def protects_claims(api, work):
    await api.create(claim("c"))
    await api.merge(claim("c"), bare(claim("c")))
    await api.merge(claim("c"), {"status": {"phase": "Bound"}}, "status")
    await work.settle()
    await api.delete("PersistentVolumeClaim", "default", "c")
    await work.settle()


async def protects_volumes(api, work):
    await api.create(volume("v"))
    await api.merge(volume("v"), bare(volume("v")))
    await work.settle()


async def announces_growth(api, work):
    made = await api.create(claim("c", size="3Gi", volumeName="v"))
    reference = REFERENCE | {"uid": made["metadata"]["uid"]}
    await api.create(volume("v", claimRef=reference, gcePersistentDisk={"pdName": "d"}))
    for size in ("1Gi", "2Gi"):  # the same said again is counted up
        await api.merge(claim("c"), {"status": {"phase": "Bound", "capacity": {"storage": size}}}, "status")
        await work.settle()
    await eventually(lambda: counted(api, 2))
    await api.create(claim("f", size="3Gi", volumeName="w"))
    uid = (await api.get("PersistentVolumeClaim", "default", "f"))["metadata"]["uid"]
    reference = REFERENCE | {"name": "f", "uid": uid}
    await api.create(volume("w", claimRef=reference, flexVolume={"driver": "example.com/disk"}))
    await api.merge(claim("f"), {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}, "status")
    await work.settle()


async def makes_claims(api, work):
    await api.create(pod("made", EPHEMERAL))
    await api.create(claim("foreign-a"))
    await api.create(pod("foreign", EPHEMERAL))
    await work.settle()
    await eventually(lambda: counted(api, 2))


async def counted(api, times):
    return any(each["count"] >= times for each in await api.events("default"))


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("persistentvolumeclaim-protection-controller", protects_claims),
        ("persistentvolume-protection-controller", protects_volumes),
        ("persistentvolume-expander-controller", announces_growth),
        ("ephemeral-volume-controller", makes_claims),
    ],
)
async def test_a_controller_makes_the_calls_of_its_role(name, story, tmp_path, calls):
    async with on_sandbox(tmp_path, name) as (api, work):
        await story(api, work)
    assert forbidden(calls, controller(name), Names()) == []
    assert idle(calls, controller(name), Names()) == []
