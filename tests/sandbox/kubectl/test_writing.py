"""What kubectl writes: create, apply in both ways, patch in three, edit, label, replace, scale."""

import asyncio

import pytest

from tests.sandbox.kubectl.manifests import claim, config_map, deployment, pod, text

pytestmark = [pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]


async def test_create_by_name_sends_protobuf_and_is_understood(kubectl):
    await asyncio.gather(
        kubectl("create", "configmap", "made", "--from-literal=a=b"),
        kubectl("create", "secret", "generic", "hidden", "--from-literal=a=b"),
        kubectl("create", "namespace", f"{kubectl.namespace}-more"),
        kubectl("create", "serviceaccount", "worker"),
        kubectl("create", "deployment", "web", "--image=demo/app:1", "--replicas=2"),
        kubectl("run", "single", "--image=demo/app:1"),
    )
    secret, web = await asyncio.gather(kubectl.get("secret/hidden"), kubectl.get("deployment/web"))
    assert secret["data"] == {"a": "Yg=="}
    assert web["spec"]["replicas"] == 2


async def test_create_refuses_what_is_there_or_makes_no_sense(kubectl):
    wrong = claim("c") | {"spec": {"accessMode": ["ReadWriteOnce"]}}
    await kubectl("create", "-f", "-", stdin=text(config_map("taken")))
    taken, unknown, mistyped = await asyncio.gather(
        kubectl.fails("create", "-f", "-", stdin=text(config_map("taken"))),
        kubectl.fails("create", "-f", "-", stdin=text(wrong)),
        kubectl.fails("create", "-f", "-", stdin=text(claim("c", accessModes="ReadWriteOnce"))),
    )
    assert '(AlreadyExists): error when creating "STDIN": configmaps "taken" already exists' in taken
    assert 'strict decoding error: unknown field "spec.accessMode"' in unknown
    assert "cannot unmarshal string into Go struct field PersistentVolumeClaimSpec.spec.accessModes" in mistyped


async def test_create_warns_of_unknown_fields_when_asked_to(kubectl):
    wrong = config_map("warned") | {"dta": {}}
    code_and_output = await kubectl._run(("create", "--validate=warn", "-f", "-"), text(wrong))
    assert code_and_output[0] == 0
    assert 'Warning: unknown field "dta"' in code_and_output[2]


async def test_a_dry_run_writes_nothing(kubectl):
    shown = await kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=text(config_map("dry")))
    assert '"uid"' in shown
    assert "NotFound" in await kubectl.fails("get", "cm/dry")


async def test_apply_changes_what_the_manifest_changes_and_keeps_what_others_set(kubectl):
    first = text(config_map("applied", a="1", b="2"))
    assert "created" in await kubectl("apply", "-f", "-", stdin=first)
    assert "unchanged" in await kubectl("apply", "-f", "-", stdin=first)
    await kubectl("patch", "cm/applied", "--type=merge", "-p", '{"data":{"c":"3"}}')
    assert "configured" in await kubectl("apply", "-f", "-", stdin=text(config_map("applied", a="x")))
    assert (await kubectl.get("cm/applied"))["data"] == {"a": "x", "c": "3"}


async def test_apply_merges_lists_by_their_keys(kubectl):
    web = deployment("merged")
    await kubectl("apply", "-f", "-", stdin=text(web))
    await kubectl("patch", "deployment/merged", "-p", _with_container("sidecar"))
    web["spec"]["template"]["spec"]["containers"][0]["image"] = "demo/app:2"
    await kubectl("apply", "-f", "-", stdin=text(web))
    containers = (await kubectl.get("deployment/merged"))["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["image"] for each in containers} == {"main": "demo/app:2", "sidecar": "demo/side:1"}


def _with_container(name):
    return f'{{"spec":{{"template":{{"spec":{{"containers":[{{"name":"{name}","image":"demo/side:1"}}]}}}}}}}}'


async def test_server_side_apply_knows_who_owns_what(kubectl):
    apply = ("apply", "--server-side", "--field-manager")
    await kubectl(*apply, "one", "-f", "-", stdin=text(config_map("owned", a="1", b="2")))
    refused = await kubectl.fails(*apply, "two", "-f", "-", stdin=text(config_map("owned", a="x")))
    assert 'Apply failed with 1 conflict: conflict with "one": .data.a' in refused
    await kubectl(*apply, "two", "--force-conflicts", "-f", "-", stdin=text(config_map("owned", a="x")))
    await kubectl(*apply, "one", "-f", "-", stdin=text(config_map("owned")))
    owned = await kubectl.get("cm/owned", "--show-managed-fields")
    assert owned["data"] == {"a": "x"}
    assert [entry["manager"] for entry in owned["metadata"]["managedFields"]] == ["two"]


async def test_server_side_apply_takes_over_from_client_side_apply(kubectl):
    await kubectl("apply", "-f", "-", stdin=text(config_map("moved", a="1", b="2")))
    await kubectl("apply", "--server-side", "-f", "-", stdin=text(config_map("moved", a="x")))
    moved = await kubectl.get("cm/moved", "--show-managed-fields")
    assert moved["data"] == {"a": "x"}
    managers = {entry["manager"] for entry in moved["metadata"]["managedFields"]}
    assert managers == {"kubectl", "kubectl-last-applied"}
    assert "configured" in await kubectl("apply", "-f", "-", stdin=text(config_map("moved", a="y")))


async def test_diff_shows_what_an_apply_would_change(kubectl):
    await kubectl("apply", "-f", "-", stdin=text(config_map("differs", key="old")))
    shown = await kubectl.fails("diff", "-f", "-", stdin=text(config_map("differs", key="new")))
    assert "-  key: old\n+  key: new" in shown
    assert (await kubectl.get("cm/differs"))["data"] == {"key": "old"}


async def test_patch_knows_three_types(kubectl):
    await kubectl("create", "-f", "-", stdin=text(pod("patched", tolerations=[{"key": "a", "operator": "Exists"}])))
    strategic = '{"metadata":{"finalizers":["demo.io/a"]}}'
    json = '[{"op":"add","path":"/metadata/labels","value":{"tier":"front"}}]'
    merge = '{"metadata":{"finalizers":null,"annotations":{"note":"x"}}}'
    await kubectl("patch", "pod/patched", "-p", strategic)
    await kubectl("patch", "pod/patched", "--type=json", "-p", json)
    assert (await kubectl.get("pod/patched"))["metadata"]["finalizers"] == ["demo.io/a"]
    await kubectl("patch", "pod/patched", "--type=merge", "-p", merge)
    metadata = (await kubectl.get("pod/patched"))["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"tier": "front"}, {"note": "x"})
    assert "finalizers" not in metadata


async def test_patch_writes_status_through_its_own_door_only(kubectl):
    await kubectl("create", "-f", "-", stdin=text(claim("guarded")))
    status = '{"status":{"phase":"Bound"}}'
    await kubectl("patch", "pvc/guarded", "--type=merge", "-p", status)
    assert (await kubectl.get("pvc/guarded"))["status"]["phase"] == "Pending"
    await kubectl("patch", "pvc/guarded", "--subresource=status", "--type=merge", "-p", status)
    assert (await kubectl.get("pvc/guarded"))["status"]["phase"] == "Bound"


async def test_a_patch_that_fails_says_why(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("stubborn", key="1")))
    test, wrong = await asyncio.gather(
        kubectl.fails("patch", "cm/stubborn", "--type=json", "-p", '[{"op":"test","path":"/data/key","value":"2"}]'),
        kubectl.fails("patch", "cm/stubborn", "--type=merge", "-p", '{"data":"x"}'),
    )
    assert "the server rejected our request due to an error in our request" in test
    assert "cannot unmarshal string into Go struct field ConfigMap.data" in wrong


async def test_edit_writes_what_the_editor_leaves(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("edited", key="before")))
    assert "edited" in await kubectl.editing("s/before/after/")("edit", "cm/edited")
    assert (await kubectl.get("cm/edited"))["data"] == {"key": "after"}


async def test_labels_and_annotations_come_and_go(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("marked", {"a": "1"})))
    await kubectl("label", "cm/marked", "b=2", "a-")
    await kubectl("annotate", "cm/marked", "note=x")
    assert "already has a value" in await kubectl.fails("label", "cm/marked", "b=3")
    await kubectl("label", "cm/marked", "b=3", "--overwrite")
    metadata = (await kubectl.get("cm/marked"))["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"b": "3"}, {"note": "x"})


async def test_replace_puts_another_object_in_its_place(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("replaced", a="1")))
    before = await kubectl.get("cm/replaced")
    await kubectl("replace", "-f", "-", stdin=text(config_map("replaced", b="2")))
    after = await kubectl.get("cm/replaced")
    assert (after["data"], after["metadata"]["uid"]) == ({"b": "2"}, before["metadata"]["uid"])
    await kubectl("replace", "--force", "-f", "-", stdin=text(config_map("replaced", c="3")))
    assert (await kubectl.get("cm/replaced"))["metadata"]["uid"] != before["metadata"]["uid"]


async def test_replace_of_an_old_version_is_refused(kubectl):
    await kubectl("create", "-f", "-", stdin=text(config_map("raced", a="1")))
    old = await kubectl.get("cm/raced")
    await kubectl("label", "cm/raced", "newer=yes")
    refused = await kubectl.fails("replace", "-f", "-", stdin=text(old))
    assert "the object has been modified; please apply your changes to the latest version" in refused


async def test_scale_sets_replicas(kubectl):
    await kubectl("create", "-f", "-", stdin=text(deployment("scaled", 1)))
    await kubectl("scale", "deployment/scaled", "--replicas=3")
    assert (await kubectl.get("deployment/scaled"))["spec"]["replicas"] == 3
    assert "Expected replicas to be 1, was 3" in await kubectl.fails(
        *("scale", "deployment/scaled", "--current-replicas=1", "--replicas=2")
    )
