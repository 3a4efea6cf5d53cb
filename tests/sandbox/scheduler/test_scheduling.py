"""The scheduler on its own: order, room, eviction, and what it says."""

import pytest

from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError
from tests.sandbox.scheduler.running import node_of, placed, refused, scheduling
from tests.sandbox.world import add_node, add_pod, condition, events, get_pod, pod
from tests.waiting import eventually


async def test_pods_are_spread_over_the_nodes_that_suit(api):
    for name in ("a", "b"):
        await add_node(api, name)
    await add_node(api, "cordoned", unschedulable=True)
    async with scheduling(api):
        for number in range(4):
            await add_pod(api, pod(f"p{number}"))
            await placed(api, f"p{number}")
        assert [node_of(api, f"p{number}") for number in range(4)] == ["a", "b", "a", "b"]
        assert condition(get_pod(api, "p0"), "PodScheduled")["status"] == "True"
        (event,) = await eventually(lambda: [each for each in events(api, "Scheduled") if "p0" in each["message"]])
    assert (event["type"], event["message"]) == ("Normal", "Successfully assigned default/p0 to a")
    assert event["reportingComponent"] == "default-scheduler"


async def test_pods_of_before_the_start_are_scheduled_and_counted(api):
    await add_node(api, "a", room={"cpu": "2"})
    await add_pod(api, pod("bound", requests={"cpu": "1500m"}, nodeName="a"))
    await add_pod(api, pod("fits", requests={"cpu": "500m"}))
    async with scheduling(api):
        assert await placed(api, "fits") == "a"
        await add_pod(api, pod("large", requests={"cpu": "500m"}))
        assert "1 Insufficient cpu" in await refused(api, "large")


async def test_only_pods_of_its_profiles_without_gates_are_scheduled(api):
    await add_node(api, "a")
    async with scheduling(api, profiles=[{"schedulerName": "mine"}]):
        await add_pod(api, pod("other"))
        await add_pod(api, pod("gated", schedulerName="mine", schedulingGates=[{"name": "demo.io/wait"}]))
        await add_pod(api, pod("mine", schedulerName="mine"))
        assert await placed(api, "mine") == "a"
        assert node_of(api, "other") is None
        assert node_of(api, "gated") is None
        kind = api.kind("v1", "Pod")
        await api.change(kind, ("default", "gated"), lambda old: old | {"spec": {**old["spec"], "schedulingGates": []}})
        assert await placed(api, "gated") == "a"


async def test_why_a_pod_waits_is_told_until_a_node_suits(api):
    async with scheduling(api):
        await add_pod(api, pod("p", nodeSelector={"disk": "ssd"}))
        assert await refused(api, "p") == "no nodes available to schedule pods"
        await add_node(api, "a", labels={"disk": "tape"})
        await add_node(api, "b", labels={"disk": "tape"}, unschedulable=True)
        said = (
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "1 node(s) were unschedulable. preemption: 0/2 nodes are available: "
            "2 Preemption is not helpful for scheduling."
        )
        await eventually(lambda: condition(get_pod(api, "p"), "PodScheduled").get("message") == said)
        (event,) = [each for each in events(api, "FailedScheduling") if each["message"] == said]
        assert (event["type"], event["involvedObject"]["name"]) == ("Warning", "p")
        await add_node(api, "c", labels={"disk": "ssd"})
        assert await placed(api, "p") == "c"


async def test_the_same_words_again_make_a_series(api):
    async with scheduling(api):
        await add_pod(api, pod("p"))
        await refused(api, "p")
        await api.create(
            api.kind("storage.k8s.io/v1", "CSINode"), "", {"metadata": {"name": "x"}, "spec": {"drivers": []}}
        )
        await eventually(
            lambda: [each["series"]["count"] for each in events(api, "FailedScheduling") if each.get("series")] == [2]
        )


async def test_a_pod_that_is_deleted_frees_its_room(api):
    await add_node(api, "a", room={"pods": "1"})
    async with scheduling(api):
        await add_pod(api, pod("first"))
        await placed(api, "first")
        await add_pod(api, pod("second"))
        assert "1 Too many pods" in await refused(api, "second")
        await api.delete(api.kind("v1", "Pod"), ("default", "first"), DeleteOptions(grace_seconds=0))
        assert await placed(api, "second") == "a"


async def test_lower_pods_make_room_without_any_extender(api):
    classes = api.kind("scheduling.k8s.io/v1", "PriorityClass")
    await api.create(classes, "", {"metadata": {"name": "high"}, "value": 1000})
    await add_node(api, "a", room={"cpu": "2"})
    async with scheduling(api):
        for name in ("low1", "low2"):
            await add_pod(api, pod(name, requests={"cpu": "1"}))
            await placed(api, name)
        await add_pod(api, pod("high", requests={"cpu": "1"}, priorityClassName="high"))
        (victim,) = await eventually(
            lambda: [n for n in ("low1", "low2") if "deletionTimestamp" in get_pod(api, n)["metadata"]]
        )
        await api.delete(api.kind("v1", "Pod"), ("default", victim), DeleteOptions(grace_seconds=0))
        assert await placed(api, "high") == "a"
    with pytest.raises(ApiError):
        get_pod(api, victim)


async def test_a_thousand_pods_are_placed_evenly(api):
    for number in range(10):
        await add_node(api, f"n{number}")
    async with scheduling(api):
        for number in range(1000):
            await add_pod(api, pod(f"p{number}"))
        nodes = await eventually(
            lambda: (got := [node_of(api, f"p{n}") for n in range(1000)]) and None not in got and got
        )
    assert {nodes.count(f"n{number}") for number in range(10)} == {100}
