"""What kubectl deletes: by name, label and force, past finalizers, with what belongs to it; and how it waits."""

import asyncio

import pytest

from tests.sandbox.kubectl.manifests import config_map, manifest, pod, text

pytestmark = [pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


async def test_delete_takes_one_some_or_all(kubectl):
    maps = [config_map(name, {"tier": tier}) for name, tier in [("a", "x"), ("b", "y"), ("c", "y"), ("d", "z")]]
    await kubectl("create", "-f", "-", stdin=text(*maps))
    await kubectl("delete", "cm", "a")
    assert "NotFound" in await kubectl.fails("delete", "cm", "a")
    assert await kubectl("delete", "cm", "a", "--ignore-not-found") == ""
    await kubectl("delete", "cm", "-l", "tier=y")
    assert (await kubectl("get", "cm", "-o", "name")).split() == ["configmap/d"]
    await kubectl("delete", "cm", "--all")
    assert await kubectl("get", "cm", "-o", "name") == ""


async def test_delete_waits_until_the_last_finalizer_is_gone(kubectl):
    held = config_map("held")
    held["metadata"]["finalizers"] = ["demo.io/hold"]
    await kubectl("create", "-f", "-", stdin=text(held))
    await kubectl("delete", "cm/held", "--wait=false")
    assert "deletionTimestamp" in (await kubectl.get("cm/held"))["metadata"]
    async with asyncio.TaskGroup() as group:
        group.create_task(kubectl("wait", "--for=delete", "cm/held", "--timeout=20s"))
        await kubectl("patch", "cm/held", "--type=json", "-p", '[{"op":"remove","path":"/metadata/finalizers"}]')
    assert "NotFound" in await kubectl.fails("get", "cm/held")


async def test_a_pod_ends_gracefully_or_at_once(kubectl):
    await kubectl("create", "-f", "-", stdin=text(pod("gentle"), pod("abrupt")))
    gentle, abrupt = await asyncio.gather(
        kubectl("delete", "pod", "gentle"),
        kubectl("delete", "pod", "abrupt", "--grace-period=0", "--force"),
    )
    assert 'pod "gentle" deleted' in gentle
    assert 'pod "abrupt" force deleted' in abrupt


async def test_what_belongs_to_an_owner_goes_with_it_unless_orphaned(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("owner"), config_map("leaver")))
    for owner in ("owner", "leaver"):
        uid = (await kubectl.get(f"cm/{owner}"))["metadata"]["uid"]
        owned = config_map(f"of-{owner}")
        owned["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid}]
        await kubectl("create", "-f", "-", stdin=text(owned))
    await kubectl("delete", "cm/leaver", "--cascade=orphan")
    await kubectl("delete", "cm/owner", "--cascade=foreground")
    await kubectl("wait", "--for=delete", "cm/of-owner", "--timeout=20s")
    left = (await kubectl.get("cm/of-leaver"))["metadata"]
    assert "ownerReferences" not in left


async def test_a_namespace_goes_with_all_that_is_in_it(anywhere):
    await anywhere("create", "namespace", "doomed")
    await anywhere("create", "-n", "doomed", "configmap", "inside")
    await anywhere("delete", "namespace", "doomed")
    assert "NotFound" in await anywhere.fails("get", "namespace", "doomed")


async def test_wait_returns_when_a_condition_holds(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("ready"), pod("conditioned")))
    condition = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    async with asyncio.TaskGroup() as group:
        group.create_task(kubectl("wait", "pod/conditioned", "--for=condition=Ready", "--timeout=20s"))
        await kubectl("patch", "pod/conditioned", "--subresource=status", "--type=merge", "-p", condition)
    assert "timed out" in await kubectl.fails("wait", "cm/ready", "--for=jsonpath={.data.x}=1", "--timeout=1s")


async def test_drain_cordons_a_node_and_evicts_its_pods(kubectl):
    node = f"drained-{kubectl.namespace}"
    await kubectl("create", "-f", "-", stdin=text(manifest("Node", node), pod("resident", nodeName=node)))
    drained = await kubectl("drain", node, "--force", "--ignore-daemonsets", "--timeout=20s")
    assert f"evicting pod {kubectl.namespace}/resident" in drained
    assert (await kubectl.get("node", node))["spec"]["unschedulable"] is True
    await kubectl("uncordon", node)
    await kubectl("taint", "node", node, "demo.io/full=yes:NoSchedule")
    assert (await kubectl.get("node", node))["spec"] == {
        "taints": [{"key": "demo.io/full", "value": "yes", "effect": "NoSchedule"}]
    }
