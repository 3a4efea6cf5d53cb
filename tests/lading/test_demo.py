"""The demo: its story comes out right, a wrong outcome fails it, and with --keep it is a cluster to work with."""

import asyncio
import re
import signal
from pathlib import Path

import pytest
import yaml

from lading.demo import play as demo_play
from lading.demo import story
from lading.demo.story import Act, Outcome
from lading.run import run_process
from tests.lading.command import lading, running
from tests.sandbox.kubectl.tool import Kubectl, rows
from tests.waiting import eventually

PLACED = re.compile(r"^ ok +(\S+) +(\S+) +(\S+) +(\S.*)$")


async def test_the_story_comes_out_right(tmp_path):
    code, out, err = await lading("demo", home=tmp_path)
    assert code == 0, out + err
    assert err == ""
    found = {match[1]: match.groups()[1:] for match in map(PLACED.match, out.splitlines()) if match}
    expected = {each.pod: each for act in story.acts() for each in act.outcomes}
    assert found.keys() == expected.keys() - {"cargo-0"}
    for pod, (node, volume, why) in found.items():
        assert node in (expected[pod].nodes or ("pending",))
        assert expected[pod].volume in ("", volume)
        assert not expected[pod].nodes or why.startswith(expected[pod].shows)
    assert found["stowaway"][2].startswith("0/4 nodes fit: ")
    assert not list(tmp_path.glob("lading-demo-*"))


def _acts(monkeypatch, outcome):
    """A story whose first pod must become what is given."""
    claim, pod = story._claim("data", "shelf", 8), story._pod("lonely", "data")
    classes, *_ = story.acts()
    monkeypatch.setattr(demo_play, "acts", lambda: (classes, Act("an act", (claim, pod), outcomes=(outcome,))))
    monkeypatch.setattr(demo_play, "ACT_SECONDS", 2.0)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome("lonely", ("west-1",), ""), "lonely must run on west-1, but has no node"),
        (
            Outcome("lonely", (), "", told=("no such reason",)),
            "lonely must be refused for 'no such reason', but has no",
        ),
        (Outcome("absent", ("west-1",), ""), "absent does not exist"),
    ],
)
def test_a_wrong_outcome_fails_the_demo_and_is_told(outcome, told, monkeypatch, capsys):
    _acts(monkeypatch, outcome)
    assert run_process(lambda stop: demo_play.play(stop, keep=False)) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "not as it must be: an act: after 2 s" in out
    assert told in out
    assert "✗ lonely" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_may_be_interrupted(number, tmp_path):
    async with running("demo", home=tmp_path, until="== ") as command:
        assert await command.stop(number) == 130
    assert not list(tmp_path.glob("lading-demo-*"))
    assert (tmp_path / "demo.log").read_text() == ""


async def test_nobody_needs_to_read_what_it_prints(tmp_path):
    async with running("demo", home=tmp_path, until="") as command:
        assert command.process.stdout is not None
        command.process.stdout._transport.close()
        async with asyncio.timeout(60):
            assert await command.process.wait() == 0


MANIFEST = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: mine}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: zonal
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Pod
metadata: {name: mine}
spec:
  containers: [{name: app, image: "app:1", volumeMounts: [{name: data, mountPath: /data}]}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: mine}}]
"""


@pytest.mark.kubectl
async def test_the_cluster_that_is_kept_is_one_to_work_with(kubectl, tmp_path):
    async with running("demo", "--keep", home=tmp_path, until="  export KUBECONFIG=") as command:
        kubeconfig = Path(command.lines[-1].partition("=")[2])
        user = Kubectl(kubectl, kubeconfig, tmp_path, namespace="harbor")
        await _shows_what_there_is(user)
        await _is_bound_placed_and_freed(user)
        assert await command.stop(signal.SIGINT) == 0
    assert not _is_there(kubeconfig)


async def _shows_what_there_is(user):
    shown = await user("get", "pods,pvc,pv", "-o", "wide")
    assert re.search(r"pod/stowaway +0/1 +Pending", shown)
    assert re.search(r"pod/atlas +1/1 +Running .* west-[12] ", shown)
    assert re.search(r"persistentvolumeclaim/charts +Bound +shelf-10 +10Gi", shown)
    assert re.search(r"persistentvolume/shelf-10 .* Bound +harbor/charts", shown)
    described = await user("describe", "pvc", "charts")
    assert re.search(r"Used By: +atlas", described)
    assert re.search(r"Capacity: +10Gi", described)
    assert "FailedScheduling" in await user("describe", "pod", "stowaway")


async def _is_bound_placed_and_freed(user):
    async with user.lines("get", "pvc", "-w", "--watch-only") as watched:
        await user("apply", "-f", "-", stdin=MANIFEST)
        seen = await _until(watched, r"mine +Bound +(\S+) +1Gi")
        await user("wait", "--for=condition=Ready", "pod/mine", "--timeout=20s")
        placed = await user.get("pod", "mine")
        assert placed["spec"]["nodeName"]
        volume = await user.get("pv", seen)
        storage = Path(volume["spec"]["hostPath"]["path"])
        assert _is_there(storage)
        await user("delete", "-f", "-", stdin=MANIFEST)
        await _until(watched, r"mine +Terminating")
    await eventually(lambda: _is_gone(user, seen))
    await eventually(lambda: not _is_there(storage))


def _is_there(path):
    return path.exists()


async def _until(lines, pattern):
    """The first group, or the whole, of what a watch shows at some time."""
    async with asyncio.timeout(30):
        while line := (await lines.readline()).decode():
            if found := re.search(pattern, line):
                return found[found.re.groups]
    raise AssertionError(f"the watch ended before it showed {pattern}")


async def _is_gone(user, volume):
    return volume not in rows(await user("get", "pv"))


def test_what_is_offered_to_go_on_with_is_a_claim_and_its_pod():
    claim, pod = yaml.safe_load_all(yaml.safe_dump_all(story.one_more()))
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
