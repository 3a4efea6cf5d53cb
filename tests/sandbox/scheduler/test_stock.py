"""The least scheduler beside a stock kube-scheduler, on one cluster and with one extender: same calls, same words."""

import asyncio
import json

import pytest

from sandbox.scheduler import Scheduler
from sandbox.server import SandboxSettings, serve
from tests.controlplane.flags import scheduler_config
from tests.controlplane.guard import guarding
from tests.controlplane.processes import running
from tests.sandbox.certificates import Certificates
from tests.sandbox.scheduler.extender import Extender, serving
from tests.sandbox.world import add_node, add_pod, condition, events, get_pod, pod
from tests.waiting import eventually

pytestmark = pytest.mark.controlplane

WAITING = {
    "affinity": {"nodeSelector": {"disk": "none"}},
    "taints": {"nodeSelector": {"disk": "ssd"}},
    "requests": {"requests": {"cpu": "3"}},
    "everything": {"requests": {"cpu": "100", "memory": "1Ti"}},
    "full": {"labels": {"answer": "full"}},
    "mixed": {"labels": {"answer": "mixed"}},
    "broken": {"labels": {"answer": "broken"}},
    "never": {"requests": {"cpu": "3"}, "priorityClassName": "patient"},
}


async def _ready():
    return True


def _answer(args):
    """Every node, but for pods that ask for something else."""
    names = args["NodeNames"] or [each["metadata"]["name"] for each in args["Nodes"]["items"]]
    left = {"NodeNames": names} if args["NodeNames"] else {"Nodes": args["Nodes"]}
    none = {"NodeNames": []} if args["NodeNames"] else {"Nodes": {"items": []}}
    match args["Pod"]["metadata"].get("labels", {}).get("answer"):
        case "full":
            return none | {"FailedNodes": dict.fromkeys(names, "node(s) exceed max volume count")}
        case "mixed":
            return none | {"FailedAndUnresolvableNodes": {names[0]: "node(s) had no available volume zone"}}
        case "broken":
            return {"Error": "caches are cold"}
        case _:
            return left


def _shape(value, *, depth=3):
    """What a message has, without what differs between two pods."""
    if isinstance(value, dict) and depth:
        return {key: _shape(each, depth=depth - 1) for key, each in value.items() if key not in ("labels", "status")}
    return type(value).__name__


@pytest.mark.parametrize("names_only", [True, False])
async def test_both_schedulers_say_and_do_the_same(control_plane_binaries, tmp_path, names_only):
    certificates, extender = Certificates(tmp_path / "certificates"), Extender()
    extender.answers["filter"] = _answer
    extender.answers["prioritize"] = lambda _: [{"Host": "c", "Score": 10}]
    files = {"caFile": "ca.crt", "certFile": "client.crt", "keyFile": "client.key"}
    tls = {key: certificates.file(name) for key, name in files.items()}
    async with (
        serve(SandboxSettings(run_pods=False)) as sandbox,
        serving(extender, certificates.server_context(mutual=True)) as url,
        guarding() as guard,
    ):
        api = sandbox.api
        verbs = {"filterVerb": "filter", "prioritizeVerb": "prioritize", "weight": 5}
        asked = {"urlPrefix": url, **verbs, "enableHTTPS": True, "tlsConfig": tls, "nodeCacheCapable": names_only}
        sandbox.write_kubeconfig(tmp_path / "kubeconfig")
        stock = scheduler_config(
            {"profiles": [{"schedulerName": "stock"}], "extenders": [asked]}, tmp_path / "kubeconfig"
        )
        (tmp_path / "stock.json").write_text(json.dumps(stock))
        await add_node(api, "a", labels={"disk": "ssd"}, taints=[{"key": "k", "effect": "NoSchedule"}])
        await add_node(api, "b", unschedulable=True)
        for name in ("c", "d"):
            await add_node(api, name, room={"cpu": "2"})
        binary, flags = (
            control_plane_binaries.get("kube-scheduler"),
            [f"--config={tmp_path}/stock.json", "--secure-port=0"],
        )
        patient = {"metadata": {"name": "patient"}, "value": 10, "preemptionPolicy": "Never"}
        await api.create(api.kind("scheduling.k8s.io/v1", "PriorityClass"), "", patient)
        least = Scheduler(api, {"profiles": [{"schedulerName": "least"}], "extenders": [asked]})
        scheduling = asyncio.create_task(least.run())
        async with running(binary, flags, tmp_path / "scheduler.log", _ready, guard):
            for scheduler in ("stock", "least"):
                await add_pod(api, pod(f"placed-{scheduler}", schedulerName=scheduler))
                for case, spec in WAITING.items():
                    await add_pod(api, pod(f"{case}-{scheduler}", schedulerName=scheduler, **spec))
            for scheduler in ("stock", "least"):
                await eventually(lambda s=scheduler: get_pod(api, f"placed-{s}")["spec"].get("nodeName") == "c")
            for case in WAITING:
                said = {}
                for scheduler in ("stock", "least"):
                    name = f"{case}-{scheduler}"
                    said[scheduler] = await eventually(lambda n=name: condition(get_pod(api, n), "PodScheduled"))
                assert said["least"]["message"] == said["stock"]["message"], case
                assert said["least"]["reason"] == said["stock"]["reason"], case
        scheduling.cancel()
        await asyncio.wait([scheduling])
    for verb in ("filter", "prioritize"):
        shapes = {}
        for args in extender.asked(verb):
            name = args["Pod"]["metadata"]["name"]
            shapes.setdefault(name.rpartition("-")[2], {})[name.rpartition("-")[0]] = _shape(args)
        for case, shape in shapes["stock"].items():
            assert shapes["least"][case] == shape, (verb, case)
    told = {each["involvedObject"]["name"]: each for each in events(api, "Scheduled")}
    assert told["placed-least"]["message"] == told["placed-stock"]["message"].replace("stock", "least")
    kept = ("type", "action", "source", "reportingComponent", "count", "series")
    ours, theirs = ({key: told[f"placed-{each}"].get(key) for key in kept} for each in ("least", "stock"))
    assert {**ours, "reportingComponent": "stock"} == theirs
