"""`lading explain` as a person and a program use it, against a cluster and against a running extender."""

import json
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yaml

from kube.client import connect
from kube.config import load
from model.resources import CLAIMS, CLASSES, NODES, PODS
from tests.extender.objects import claim, node, pod, storage_class
from tests.lading.command import lading, running
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(cluster: Path) -> Path:
    """Two nodes and a pod whose claim no class makes."""
    connection = await load(cluster)
    async with connect(connection, user_agent="test", field_manager="test") as client:
        await client.create(CLASSES, storage_class("none", "kubernetes.io/no-provisioner"))
        for name in ("n1", "n2"):
            await client.create(NODES, node(name, zone="a"))
        await client.create(CLAIMS, _new(claim("data", "none", "2Gi")), "default")
        await client.create(PODS, _new(pod("app", "data", containers=[{"name": "c", "image": "c"}])), "default")
    return cluster


def _new(obj):
    obj["metadata"] = {"name": obj["metadata"]["name"], "namespace": "default"}
    return obj


async def explained(*arguments: str, kubeconfig: Path) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    return await lading("explain", "pod", *arguments, "--kubeconfig", str(kubeconfig), home=kubeconfig.parent)


async def test_people_are_told_why_and_what_helps(place: Path):
    code, out, _ = await explained("default/app", kubeconfig=place)
    assert code == 1
    assert "0/2 nodes fit: 2 have no free volume of class none for claim data (2Gi wanted)" in out
    for word in ("WHAT HELPS", "VolumeBinding", "n1, n2", "data", "unbound"):
        assert word in out


async def test_programs_get_it_whole(place: Path):
    _, as_json, _ = await explained("app", "-n", "default", "-o", "json", kubeconfig=place)
    _, as_yaml, _ = await explained("app", "-o", "yaml", kubeconfig=place)
    answer = json.loads(as_json)
    assert answer == yaml.safe_load(as_yaml)
    assert (answer["pod"], answer["asked"], answer["feasible"]["count"]) == ("default/app", 2, 0)


async def test_the_running_extender_answers_whom_it_trusts(place: Path, tmp_path: Path):
    certs = str(tmp_path / "certs")
    assert (await lading("certs", "issue", "--dir", certs, home=tmp_path))[0] == 0
    serve = ("extender", "--kubeconfig", str(place), "--listen", "127.0.0.1:0", "--certs", certs)
    async with running(*serve, home=tmp_path) as command:
        asked = ("default/app", "--extender", command.url)
        code, out, _ = await explained(*asked, "--certs", certs, kubeconfig=place)
        assert (code, "0/2 nodes fit" in out) == (1, True)
        code, _, err = await explained(*asked, kubeconfig=place)
        assert (code, "certificate" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ghost",), "there is no pod default/ghost"),
        (("app", "--certs", "somewhere"), "--certs is for --extender URL"),
        (("app", "--extender", "http://127.0.0.1:1"), "http://127.0.0.1:1 can not be asked"),
    ],
)
async def test_what_can_not_be_explained_is_one_clear_line(place: Path, arguments: tuple[str, ...], said: str):
    code, _, err = await explained(*arguments, kubeconfig=place)
    assert code in (1, 2)
    assert said in err
    assert len(err.splitlines()) == 1


async def test_of_two_binding_extenders_one_answers_and_the_other_takes_over(place: Path, tmp_path: Path):
    serve = ("extender", "--mode", "instead", "--leader-elect", "--kubeconfig", str(place), "--listen", "127.0.0.1:0")
    times = ("--lease-duration", "3", "--renew-deadline", "2", "--retry-period", "0.5", "--insecure-http")
    async with running(*serve, *times, home=tmp_path) as first:
        await eventually(lambda: _ready(first.url))
        (tmp_path / "second").mkdir()
        async with running(*serve, *times, home=tmp_path / "second") as second:
            assert not await _ready(second.url)
            assert await first.stop() == 0
            await eventually(lambda: _ready(second.url))


async def _ready(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as response:
        return response.status == 200
