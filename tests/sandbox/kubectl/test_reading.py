"""What kubectl shows: tables, objects, descriptions, events, and what changes while it watches."""

import asyncio
import re

import pytest

from tests.sandbox.kubectl.manifests import claim, config_map, deployment, manifest, pod, storage_class, text, volume
from tests.sandbox.kubectl.tool import headings, rows

pytestmark = [pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


async def test_get_shows_the_columns_of_a_claim_and_more_with_wide(kubectl):
    await kubectl("create", "-f", "-", stdin=text(claim("data", "fast")))
    narrow, wide = await asyncio.gather(kubectl("get", "pvc"), kubectl("get", "pvc", "-o", "wide"))
    columns = ["NAME", "STATUS", "VOLUME", "CAPACITY", "ACCESS MODES", "STORAGECLASS", "VOLUMEATTRIBUTESCLASS", "AGE"]
    assert headings(narrow) == columns
    assert headings(wide) == [*columns, "VOLUMEMODE"]
    assert rows(wide)["data"][:4] == ["data", "Pending", "fast", "<unset>"]
    assert rows(wide)["data"][-1] == "Filesystem"


async def test_get_shows_the_columns_of_what_has_no_namespace(kubectl):
    await kubectl("create", "-f", "-", stdin=text(volume("table-1"), storage_class("table-2", reclaimPolicy="Retain")))
    volumes, classes = await asyncio.gather(kubectl("get", "pv", "table-1"), kubectl("get", "sc", "table-2"))
    assert rows(volumes)["table-1"][:4] == ["table-1", "5Gi", "RWO", "Retain"]
    assert rows(classes)["table-2"][:4] == ["table-2", "csi.demo.io", "Retain", "Immediate"]


async def test_get_all_goes_through_the_kinds_of_the_category(kubectl):
    await kubectl("create", "-f", "-", stdin=text(pod("one"), deployment("two")))
    shown = await kubectl("get", "all")
    assert "pod/one" in shown
    assert "deployment.apps/two" in shown


async def test_get_prints_an_object_in_each_form(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("forms", key="value")))
    as_yaml, as_json, as_name, as_path = await asyncio.gather(
        kubectl("get", "cm/forms", "-o", "yaml"),
        kubectl.get("cm/forms"),
        kubectl("get", "cm", "forms", "-o", "name"),
        kubectl("get", "cm", "forms", "-o", "jsonpath={.data.key}"),
    )
    assert "kind: ConfigMap" in as_yaml
    assert as_json["data"] == {"key": "value"}
    assert as_json["metadata"]["namespace"] == kubectl.namespace
    assert (as_name.strip(), as_path) == ("configmap/forms", "value")


async def test_get_selects_by_labels_and_fields_and_sorts(kubectl):
    maps = [
        config_map(name, {"tier": tier}, rank=rank)
        for name, tier, rank in [("a", "front", "3"), ("b", "back", "2"), ("c", "front", "1")]
    ]
    await kubectl("create", "-f", "-", stdin=text(*maps))
    by_label, by_set, by_field, ordered = await asyncio.gather(
        kubectl("get", "cm", "-l", "tier=front", "-o", "name"),
        kubectl("get", "cm", "-l", "tier notin (front)", "-o", "name"),
        kubectl("get", "cm", "--field-selector", "metadata.name!=a", "-o", "name"),
        kubectl("get", "cm", "--sort-by", ".data.rank"),
    )
    assert by_label.split() == ["configmap/a", "configmap/c"]
    assert by_set.split() == ["configmap/b"]
    assert by_field.split() == ["configmap/b", "configmap/c"]
    assert list(rows(ordered)) == ["c", "b", "a"]


async def test_get_follows_a_long_list_through_its_chunks(kubectl):
    await kubectl("create", "-f", "-", stdin=text(*(config_map(f"m{index}") for index in range(7))))
    shown = await kubectl("get", "cm", "--chunk-size=2", "-o", "name")
    assert len(shown.split()) == 7


async def test_get_says_what_is_not_there(kubectl):
    missing, unknown, empty = await asyncio.gather(
        kubectl.fails("get", "pvc", "nothing"), kubectl.fails("get", "nonsense"), kubectl("get", "pods")
    )
    assert 'Error from server (NotFound): persistentvolumeclaims "nothing" not found' in missing
    assert 'the server doesn\'t have a resource type "nonsense"' in unknown
    assert empty == ""


async def test_a_watch_shows_what_is_there_and_then_each_change(kubectl):
    await kubectl("create", "-f", "-", stdin=text(claim("first")))
    async with kubectl.lines("get", "pvc", "-w") as lines, asyncio.timeout(30):
        assert headings((await lines.readline()).decode())[0] == "NAME"
        assert (await lines.readline()).decode().startswith("first ")
        await kubectl("create", "-f", "-", stdin=text(claim("second")))
        assert (await lines.readline()).decode().startswith("second ")


async def test_a_watch_of_one_object_shows_it_once_and_then_its_changes(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("watched", key="1")))
    async with (
        kubectl.lines("get", "cm/watched", "-w", "-o", "jsonpath={.data.key}{'\\n'}") as lines,
        asyncio.timeout(30),
    ):
        assert (await lines.readline()).strip() == b"1"
        await kubectl("patch", "cm/watched", "-p", '{"data":{"key":"2"}}')
        assert (await lines.readline()).strip() == b"2"


async def test_describe_tells_of_storage_and_who_uses_it(kubectl):
    objects = [
        storage_class("described", allowVolumeExpansion=True),
        volume("described", "described"),
        claim("used", "described"),
        pod("user", ["used"]),
    ]
    await kubectl("create", "-f", "-", stdin=text(*objects))
    of_pod, of_claim, of_volume, of_class = await asyncio.gather(
        kubectl("describe", "pod", "user"),
        kubectl("describe", "pvc", "used"),
        kubectl("describe", "pv", "described"),
        kubectl("describe", "sc", "described"),
    )
    assert re.search(r"ClaimName: +used", of_pod)
    assert re.search(r"Used By: +user", of_claim)
    assert re.search(r"VolumeHandle: +described", of_volume)
    assert re.search(r"AllowVolumeExpansion: +True", of_class)


async def test_describe_tells_of_a_node_its_pods_and_its_lease(kubectl):
    node = manifest("Node", f"node-{kubectl.namespace}")
    name = node["metadata"]["name"]
    lease = manifest("Lease", name, "coordination.k8s.io/v1", spec={"holderIdentity": name})
    lease["metadata"]["namespace"] = "kube-node-lease"
    placed = pod("placed", nodeName=name)
    await kubectl("create", "-f", "-", stdin=text(node, placed))
    await kubectl("create", "--namespace", "kube-node-lease", "-f", "-", stdin=text(lease))
    described = await kubectl("describe", "node", name)
    assert f"HolderIdentity:  {name}" in described
    assert "placed" in described


EVENT = manifest(
    "Event",
    "told",
    involvedObject={"apiVersion": "v1", "kind": "Pod", "name": "told"},
    reason="FailedScheduling",
    message="no node fits",
    type="Warning",
    count=3,
    firstTimestamp="2026-01-02T03:04:05Z",
    lastTimestamp="2026-01-02T03:05:05Z",
)


async def test_events_are_told_of_an_object_and_in_both_of_their_groups(kubectl):
    await kubectl("create", "-f", "-", stdin=text(pod("told")))
    uid = (await kubectl.get("pod/told"))["metadata"]["uid"]
    about = EVENT["involvedObject"] | {"namespace": kubectl.namespace, "uid": uid}
    await kubectl("create", "-f", "-", stdin=text(EVENT | {"involvedObject": about}))
    told, of_pod, described, new = await asyncio.gather(
        kubectl("events"),
        kubectl("events", "--for", "pod/told"),
        kubectl("describe", "pod", "told"),
        kubectl.get("events.events.k8s.io", "told"),
    )
    for shown in (told, of_pod, described):
        assert "no node fits" in shown
    assert (new["note"], new["regarding"]["name"], new["deprecatedCount"]) == ("no node fits", "told", 3)


async def test_api_resources_lists_names_verbs_and_categories(kubectl):
    listed = rows(await kubectl("api-resources", "-o", "wide"))
    assert listed["persistentvolumeclaims"][:5] == [
        *("persistentvolumeclaims", "pvc", "v1", "true", "PersistentVolumeClaim"),
    ]
    assert "create,delete,deletecollection,get,list,patch,update,watch" in listed["storageclasses"]


async def test_explain_leads_through_the_fields(kubectl):
    field, top = await asyncio.gather(
        kubectl("explain", "pv.spec.csi.driver"), kubectl("explain", "storageclass", "--recursive")
    )
    assert "FIELD: driver <string>" in field
    assert "volumeBindingMode" in top


async def test_auth_answers_who_and_whether(kubectl):
    who, may = await asyncio.gather(kubectl("auth", "whoami"), kubectl("auth", "can-i", "create", "pods"))
    assert "kubernetes-admin" in who
    assert may.strip() == "yes"
