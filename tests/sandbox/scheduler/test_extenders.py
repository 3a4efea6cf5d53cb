"""The scheduler with a real extender over mutual TLS."""

import asyncio
import base64
from pathlib import Path

import pytest

from sandbox.bodies import Body
from sandbox.deletion import DeleteOptions
from sandbox.scheduler import ConfigurationError, Scheduler
from tests.sandbox.certificates import Certificates
from tests.sandbox.scheduler.extender import Extender
from tests.sandbox.scheduler.running import extending, node_of, placed, refused
from tests.sandbox.world import add_node, add_pod, condition, events, get_pod, pod
from tests.waiting import eventually


@pytest.mark.parametrize("names_only", [True, False])
async def test_an_extender_filters_and_scores_over_mutual_tls(api, certificates, names_only):
    for name in ("a", "b", "c"):
        await add_node(api, name)
    extender = Extender()

    def keep(args):
        names = args["NodeNames"] if names_only else [each["metadata"]["name"] for each in args["Nodes"]["items"]]
        assert set(names) == {"a", "b", "c"}
        left = [name for name in names if name != "a"]
        items = [{"metadata": {"name": name}} for name in left]
        return {"NodeNames": left} if names_only else {"Nodes": {"items": items}}

    extender.answers |= {"filter": keep, "prioritize": lambda _: [{"Host": "c", "Score": 10}]}
    settings = {"prioritizeVerb": "prioritize", "weight": 1, "nodeCacheCapable": names_only}
    async with extending(api, certificates, extender, **settings):
        await add_pod(api, pod("p"))
        assert await placed(api, "p") == "c"
    (scored,) = extender.asked("prioritize")
    assert (scored["Nodes"] is None) is names_only
    assert scored["Pod"]["metadata"]["name"] == "p"
    assert "kind" not in scored["Pod"]


async def test_the_extender_is_not_asked_about_nodes_that_the_scheduler_refuses(api, certificates):
    await add_node(api, "a")
    await add_node(api, "b", unschedulable=True)
    extender = Extender()
    async with extending(api, certificates, extender, nodeCacheCapable=True, prioritizeVerb="prioritize", weight=1):
        await add_pod(api, pod("nowhere", nodeSelector={"x": "y"}))
        await refused(api, "nowhere")
        assert extender.calls == []
        await add_pod(api, pod("p"))
        assert await placed(api, "p") == "a"
    # With one node left there is nothing to score.
    assert [(verb, args["NodeNames"]) for verb, args in extender.calls] == [("filter", ["a"])]


async def test_the_words_of_the_extender_are_passed_on(api, certificates):
    for name in ("a", "b", "c"):
        await add_node(api, name)
    extender = Extender()
    full = "node(s) exceed max volume count"
    extender.answers["filter"] = lambda _: {
        "NodeNames": [],
        "FailedNodes": {"a": full, "b": full, "c": "shadowed"},
        "FailedAndUnresolvableNodes": {"c": "node(s) had no available volume zone"},
    }
    async with extending(api, certificates, extender, nodeCacheCapable=True):
        await add_pod(api, pod("p"))
        message = await refused(api, "p")
    said = "0/3 nodes are available: 1 node(s) had no available volume zone, 2 node(s) exceed max volume count."
    assert message.startswith(f"{said} preemption: ")


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({"Error": "caches are cold"}, 200, "^caches are cold$"),
        ({"NodeNames": ["elsewhere"]}, 200, "which is not found in the input node list"),
        ({"NodeNames": ["a"]}, 503, "failed filter with extender at URL https://.*/scheduler/filter, code 503"),
        (b"<html>", 200, "the answer can not be read"),
    ],
)
async def test_an_extender_that_fails_is_asked_again_after_back_off(api, certificates, answer, status, message):
    await add_node(api, "a")
    extender = Extender()
    extender.answers["filter"], extender.status = lambda _: answer, status
    async with extending(api, certificates, extender, nodeCacheCapable=True):
        await add_pod(api, pod("p"))
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(await refused(api, "p", "SchedulerError"))
        assert events(api, "FailedScheduling")
        extender.answers["filter"], extender.status = lambda args: {"NodeNames": args["NodeNames"]}, 200
        assert await placed(api, "p") == "a"


async def test_an_extender_that_does_not_answer_in_time_fails_the_attempt(api, certificates):
    await add_node(api, "a")
    extender = Extender()
    extender.hold = asyncio.Event()
    async with extending(api, certificates, extender, nodeCacheCapable=True, httpTimeout="50ms"):
        await add_pod(api, pod("p"))
        assert "no answer within 0.05 s" in await refused(api, "p", "SchedulerError")
        extender.hold.set()


async def test_an_extender_that_may_fail_is_passed_over(api, certificates):
    await add_node(api, "a")
    extender = Extender()
    extender.status = 500
    async with extending(api, certificates, extender, nodeCacheCapable=True, bindVerb="bind", ignorable=True):
        await add_pod(api, pod("p"))
        assert await placed(api, "p") == "a"
    assert [verb for verb, _ in extender.calls] == ["filter", "bind"]


async def test_an_extender_sees_only_pods_that_ask_for_what_it_manages(api, certificates):
    await add_node(api, "a")
    extender = Extender()
    managed = [{"name": "demo.io/disk", "ignoredByScheduler": True}]
    async with extending(api, certificates, extender, nodeCacheCapable=True, managedResources=managed):
        await add_pod(api, pod("plain"))
        await placed(api, "plain")
        assert extender.calls == []
        await add_pod(api, pod("managed", requests={"demo.io/disk": "1"}))
        assert await placed(api, "managed") == "a"
    assert [args["Pod"]["metadata"]["name"] for args in extender.asked("filter")] == ["managed"]


async def test_the_extender_binds_while_others_are_decided_on(api, certificates):
    await add_node(api, "a", room={"pods": "1"})
    await add_node(api, "b", room={"pods": "1"})
    extender, bound = Extender(), asyncio.Event()

    async def bind(args):
        await bound.wait()
        body = {"metadata": {"name": args["PodName"], "uid": args["PodUID"]}, "target": {"name": args["Node"]}}
        await api.bind(api.kind("v1", "Pod"), (args["PodNamespace"], args["PodName"]), Body(body))
        return {}

    extender.answers["bind"] = bind
    async with extending(api, certificates, extender, nodeCacheCapable=True, bindVerb="bind"):
        for name in ("p1", "p2", "p3"):
            await add_pod(api, pod(name))
        await eventually(lambda: len(extender.asked("bind")) == 2)
        # Both are assumed to be on their nodes, though neither is bound.
        assert {args["Node"] for args in extender.asked("bind")} == {"a", "b"}
        assert "2 Too many pods" in await refused(api, "p3")
        bound.set()
        assert {await placed(api, "p1"), await placed(api, "p2")} == {"a", "b"}
        await eventually(lambda: len(events(api, "Scheduled")) == 2)


async def test_a_binding_that_fails_is_forgotten_and_tried_again(api, certificates):
    await add_node(api, "a", room={"pods": "1"})
    extender = Extender()
    async with extending(api, certificates, extender, nodeCacheCapable=True, bindVerb="bind"):
        await add_pod(api, pod("p"))
        assert await refused(api, "p", "SchedulerError") == "no binding here"
        # The room is free for another pod, or for itself.
        await eventually(lambda: len(extender.asked("bind")) == 2)


async def test_a_pod_that_was_bound_although_the_call_failed_is_left_alone(api, certificates):
    await add_node(api, "a")
    extender = Extender()

    async def bind(args):
        body = {"metadata": {"name": args["PodName"]}, "target": {"name": args["Node"]}}
        await api.bind(api.kind("v1", "Pod"), ("default", args["PodName"]), Body(body))
        return {"Error": "the answer got lost"}

    extender.answers["bind"] = bind
    async with extending(api, certificates, extender, nodeCacheCapable=True, bindVerb="bind"):
        await add_pod(api, pod("p"))
        assert await placed(api, "p") == "a"
        await add_pod(api, pod("q"))
        assert await placed(api, "q") == "a"
    assert events(api, "FailedScheduling") == []


async def test_a_pod_of_the_same_name_is_not_bound_in_its_place(api, certificates):
    await add_node(api, "a")
    extender, kind = Extender(), api.kind("v1", "Pod")
    extender.hold = asyncio.Event()
    async with extending(api, certificates, extender, nodeCacheCapable=True):
        await add_pod(api, pod("p"))
        await eventually(lambda: extender.calls)
        await api.delete(kind, ("default", "p"), DeleteOptions())
        await add_pod(api, pod("p", schedulerName="other"))
        extender.hold.set()
        await add_pod(api, pod("q"))
        assert await placed(api, "q") == "a"
    assert node_of(api, "p") is None


async def test_credentials_may_be_given_as_data(api, certificates):
    await add_node(api, "a")
    extender = Extender()
    fields = {"caData": "ca.crt", "certData": "client.crt", "keyData": "client.key"}

    def data(name):
        return base64.b64encode(Path(certificates.file(name)).read_bytes()).decode()

    tls = {field: data(name) for field, name in fields.items()} | {"serverName": "localhost"}
    async with extending(api, certificates, extender, tlsConfig=tls, nodeCacheCapable=True):
        await add_pod(api, pod("p"))
        assert await placed(api, "p") == "a"


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ({}, 'Post "https://127.0.0.1:'),  # the server hangs up, at its own moment
        ({"certFile": "client.crt", "keyFile": "client.key", "caFile": "other"}, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
async def test_a_call_without_the_right_certificates_fails(api, certificates, tmp_path, tls, message):
    other = Certificates(tmp_path / "other")
    await add_node(api, "a")
    files = {key: str(other.ca) if value == "other" else certificates.file(value) for key, value in tls.items()}
    async with extending(api, certificates, Extender(), tlsConfig=files, nodeCacheCapable=True):
        await add_pod(api, pod("p"))
        assert message.lower() in (await refused(api, "p", "SchedulerError")).lower()


async def test_files_that_can_not_be_read_are_named(api):
    extender = {"urlPrefix": "https://127.0.0.1:1", "filterVerb": "filter", "tlsConfig": {"caFile": "/nowhere/ca.crt"}}
    with pytest.raises(ConfigurationError, match=r"extender https://127\.0\.0\.1:1: tlsConfig"):
        await Scheduler(api, {"extenders": [extender]}).run()


@pytest.mark.parametrize("names_only", [True, False])
async def test_lower_pods_make_room_where_an_extender_says_so(api, certificates, names_only):
    classes = api.kind("scheduling.k8s.io/v1", "PriorityClass")
    await api.create(classes, "", {"metadata": {"name": "high"}, "value": 1000})
    for name in ("a", "b"):
        await add_node(api, name)
        await add_pod(api, pod(f"on-{name}", nodeName=name))
    uids = {name: get_pod(api, f"on-{name}")["metadata"]["uid"] for name in ("a", "b")}
    extender = Extender()

    def keep(args):
        names = args["NodeNames"] or [each["metadata"]["name"] for each in args["Nodes"]["items"]]
        full = [name for name in names if f"on-{name}" in running]
        left = [name for name in names if name not in full]
        listed = {"NodeNames": left} if names_only else {"Nodes": {"items": [{"metadata": {"name": n}} for n in left]}}
        return listed | {"FailedNodes": dict.fromkeys(full, "node(s) exceed max volume count")}

    def choose(args):
        proposed = args["NodeNameToMetaVictims"] if names_only else args["NodeNameToVictims"]
        assert set(proposed) == {"a", "b"}
        return {"NodeNameToMetaVictims": {"b": {"Pods": [{"UID": uids["b"]}], "NumPDBViolations": 0}}}

    running = {"on-a", "on-b"}
    extender.answers |= {"filter": keep, "preempt": choose}
    async with extending(api, certificates, extender, nodeCacheCapable=names_only, preemptVerb="preempt"):
        await add_pod(api, pod("p", priorityClassName="high"))
        await eventually(lambda: (get_pod(api, "p").get("status") or {}).get("nominatedNodeName") == "b")
        victim = get_pod(api, "on-b")
        assert condition(victim, "DisruptionTarget")["reason"] == "PreemptionByScheduler"
        assert "deletionTimestamp" in victim["metadata"]
        assert "deletionTimestamp" not in get_pod(api, "on-a")["metadata"]
        # The victim ends, as its kubelet would let it.
        running.discard("on-b")
        await api.delete(api.kind("v1", "Pod"), ("default", "on-b"), DeleteOptions(grace_seconds=0))
        assert await placed(api, "p") == "b"
    assert len(extender.asked("preempt")) == 1
    (told,) = events(api, "Preempted")
    assert told["message"].endswith("on node b")
