"""Killed after any write, or without its answer, the controllers reach the same end."""

import re

import pytest

from model import names
from tests.controllers.crashes import Fault, Scenario, run
from tests.controllers.inprocess import storage_class
from tests.controllers.manifests import claim, pod, volume

TIME = re.compile(r"[0-9-]{10}T[0-9:]{8}Z")
HOST_PATH = storage_class("local", "kubernetes.io/host-path")
LATE = storage_class("late", "kubernetes.io/host-path", volumeBindingMode="WaitForFirstConsumer")
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {names.HOSTNAME: "n1"}}}


def deletes(kind, name, space=""):
    async def step(made):
        await made.delete(kind, space, name)

    return step


def merges(kind, name, change, space=""):
    async def step(made):
        await made.merge(kind, space, name, change)

    return step


def tells(kind, name, status, space=""):
    async def step(made):
        await made.merge(kind, space, name, {"status": status}, "status")

    return step


def creates(*objects):
    async def step(made):
        await made.create(*objects)

    return step


GOES = deletes("PersistentVolumeClaim", "c", "default")
FOR_C = {"namespace": "default", "name": "c"}
USER = pod("p", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}})
OPEN = claim("c")
del OPEN["spec"]["storageClassName"]
DEFAULT = storage_class("std", "kubernetes.io/host-path", metadata={"annotations": {names.DEFAULT_CLASS: "true"}})


async def ties_a_second_volume(made):
    """What another binder's first write leaves when the claim got its volume elsewhere."""
    reference = FOR_C | {"uid": made.claim("c")["metadata"]["uid"]}
    marks = {"annotations": {names.BOUND_BY_CONTROLLER: "yes"}}
    await made.create(volume("stale", metadata=marks, claimRef=reference))


GROWING = storage_class("growing", "example.com/none", allowVolumeExpansion=True)
FLEX = {"flexVolume": {"driver": "example.com/disk"}, "storageClassName": "growing"}
WANTS = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
NODE_IS_DONE = {"capacity": {"storage": "3Gi"}, "allocatedResourceStatuses": None, "conditions": None}

SCENARIOS = [
    Scenario("bind and retain", [claim("c"), volume("v"), volume("large", size="9Gi")], [GOES]),
    Scenario(
        "a volume that names its claim", [claim("c"), volume("v", claimRef={"namespace": "default", "name": "c"})]
    ),
    Scenario("a claim that names its volume", [claim("c", volumeName="v"), volume("v", size="5Gi")]),
    Scenario("lost and found", [claim("c"), volume("v")], [deletes("PersistentVolume", "v"), GOES]),
    Scenario("make and destroy", [HOST_PATH, claim("c", storageClassName="local")], [GOES]),
    Scenario(
        "make where the pod is, keep",
        [
            LATE,
            NODE,
            claim("c", storageClassName="late"),
            pod("p", {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}),
        ],
        [merges("PersistentVolumeClaim", "c", {"metadata": {"annotations": {names.SELECTED_NODE: "n1"}}}, "default")],
    ),
    Scenario("recycle", [claim("c"), volume("v", persistentVolumeReclaimPolicy="Recycle")], [GOES]),
    Scenario(
        "nobody to delete",
        [claim("c"), volume("v", gcePersistentDisk={"pdName": "d"}, persistentVolumeReclaimPolicy="Delete")],
        [GOES],
    ),
    Scenario("rolled back", [claim("c"), volume("v", size="2Gi")], [ties_a_second_volume]),
    Scenario(
        "migrated",
        [
            storage_class("ebs", "kubernetes.io/aws-ebs"),
            claim("c", storageClassName="ebs"),
            volume("v", metadata={"annotations": {names.PROVISIONED_BY: "kubernetes.io/aws-ebs"}}),
        ],
    ),
    Scenario("a late default", [OPEN], [creates(DEFAULT)]),
    Scenario(
        "a FlexVolume grows",
        [GROWING, claim("c", storageClassName="growing"), volume("v", **FLEX)],
        [
            merges("PersistentVolumeClaim", "c", WANTS, "default"),
            tells("PersistentVolumeClaim", "c", NODE_IS_DONE, "default"),
        ],
    ),
    Scenario(
        "a FlexVolume without a file system grows",
        [GROWING, claim("c", storageClassName="growing", volumeMode="Block"), volume("v", **FLEX, volumeMode="Block")],
        [merges("PersistentVolumeClaim", "c", WANTS, "default")],
    ),
]


@pytest.mark.parametrize("ends_process", [True, False], ids=["crash", "lost answer"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_the_end_is_the_same(scenario, ends_process, tmp_path):
    undisturbed = Fault()
    expected = await run(scenario, tmp_path, undisturbed)
    assert undisturbed.writes > 0
    for number in range(1, undisturbed.writes + 1):
        fault = Fault(number, ends_process=ends_process)
        state = await run(scenario, tmp_path, fault)
        assert fault.happened.is_set() or fault.writes < number, number
        assert comparable(state) == comparable(expected), number


def comparable(state):
    """Without what differs from run to run: times, and the UIDs that names of volumes hold."""
    text = TIME.sub("TIME", str(sorted(state.items(), key=lambda item: item[0].partition("pvc-")[0])))
    for uid in {part.partition("'")[0].partition("/")[0] for part in text.split("pvc-")[1:]}:
        text = text.replace(f"pvc-{uid}", "pvc-UID")
    return text
