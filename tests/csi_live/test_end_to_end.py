"""Claims, attachments, growth, snapshots and copies, from the API server down to the driver's directories."""

import base64

import pytest

from model.quantity import whole
from model.resources import (
    ATTACHMENTS,
    CAPACITIES,
    CLAIMS,
    CLASSES,
    NODES,
    PODS,
    SECRETS,
    SNAPSHOT_CONTENTS,
    SNAPSHOTS,
    VOLUMES,
)
from tests.csi_live.conftest import FAR, KEY, NAME, NODE
from tests.csi_live.objects import attachment, claim, node, of_claim, of_snapshot, pod, snapshot, storage_class
from tests.waiting import eventually

pytestmark = [pytest.mark.controlplane, pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="session")]

GI = 1 << 30
ROOM = 100 * GI
"""What the driver has, unless it is told."""
FINALIZER = f"external-attacher/{NAME.replace('.', '-')}"


async def test_a_volume_is_made_where_the_driver_is_and_goes_with_its_claim(live):
    await live.cluster.create(CLAIMS, claim("plain", "live"))
    _, volume = await live.cluster.bound("plain")
    handle = volume.spec.csi.volume_handle
    assert (await live.volumes())[handle] == (GI, [])
    assert live.content(handle).is_dir()
    (term,) = volume.spec.node_affinity.required.node_selector_terms
    assert [(each.key, each.values) for each in term.match_expressions] == [(KEY, (NODE,))]
    await live.cluster.delete(CLAIMS, "plain")
    await live.cluster.until_gone(VOLUMES, volume.name)
    assert handle not in await live.volumes()
    assert not live.content(handle).exists()


async def test_a_volume_is_attached_and_detached_and_held_meanwhile(live):
    await live.cluster.create(CLAIMS, claim("attached", "live"))
    _, volume = await live.cluster.bound("attached")
    handle = volume.spec.csi.volume_handle
    await live.cluster.create(ATTACHMENTS, attachment("by-hand", NAME, NODE, volume.name))
    await live.cluster.until(ATTACHMENTS, "by-hand", lambda each: each.status.attached)
    assert (await live.volumes())[handle] == (GI, [NODE])
    assert FINALIZER in (await live.cluster.get(VOLUMES, volume.name)).metadata.finalizers
    await live.cluster.delete(CLAIMS, "attached")
    await live.cluster.until(VOLUMES, volume.name, lambda each: each.status.phase == "Released")
    assert handle in await live.volumes()
    await live.cluster.delete(ATTACHMENTS, "by-hand")
    await live.cluster.until_gone(ATTACHMENTS, "by-hand")
    await live.cluster.until_gone(VOLUMES, volume.name)
    assert handle not in await live.volumes()


async def test_pods_have_their_volumes_attached_by_kube_controller_manager(live):
    await live.cluster.create(CLAIMS, claim("of-pod", "live"))
    _, volume = await live.cluster.bound("of-pod")
    handle = volume.spec.csi.volume_handle
    await live.cluster.create(PODS, pod("user", "of-pod", NODE))
    attached = await eventually(lambda: _attached(live, volume.name))
    assert (await live.volumes())[handle] == (GI, [NODE])
    await live.cluster.delete(PODS, "user")
    await live.cluster.until_gone(ATTACHMENTS, attached.name)
    assert (await live.volumes())[handle] == (GI, [])
    await _removed(live, "of-pod")


async def test_kube_scheduler_places_a_pod_where_there_is_room_and_the_driver(live):
    async with live.cluster.having((NODES, node(FAR))), live.cluster.plane.scheduler():
        await live.cluster.create(CLAIMS, claim("too-large", "late", "200Gi"))
        await live.cluster.create(PODS, pod("waits", "too-large"))
        await live.cluster.create(CLAIMS, claim("placed", "late"))
        await live.cluster.create(PODS, pod("placed", "placed"))
        placed = await live.cluster.until(PODS, "placed", lambda each: each.spec.node_name)
        assert placed.spec.node_name == NODE
        _ = await eventually(lambda: _refused(live, "waits", "did not have enough free storage"))
        for name in ("waits", "placed"):
            await live.cluster.delete(PODS, name)
    await _removed(live, "placed")
    await live.cluster.delete(CLAIMS, "too-large")


async def test_what_is_left_is_published_and_shrinks(live):
    before = ROOM - sum([size for size, _ in (await live.volumes()).values()])
    _ = await eventually(lambda: _is_left(live, before))
    await live.cluster.create(CLAIMS, claim("shrinks", "live", "7Gi"))
    await live.cluster.bound("shrinks")
    _ = await eventually(lambda: _is_left(live, before - 7 * GI))
    await _removed(live, "shrinks")
    _ = await eventually(lambda: _is_left(live, before))


async def test_a_claim_grows(live):
    await live.cluster.create(CLAIMS, claim("grows", "live"))
    _, volume = await live.cluster.bound("grows")
    await live.cluster.merge(CLAIMS, "grows", {"spec": {"resources": {"requests": {"storage": "3Gi"}}}})
    await live.cluster.until(CLAIMS, "grows", lambda each: each.status.capacity == {"storage": "3Gi"})
    grown = await live.cluster.get(VOLUMES, volume.name)
    assert grown.spec.capacity == {"storage": "3Gi"}
    assert (await live.volumes())[volume.spec.csi.volume_handle] == (3 * GI, [])
    await _removed(live, "grows")


async def test_a_snapshot_is_taken_restored_and_deleted_and_a_claim_copied(live):
    await live.cluster.create(CLAIMS, claim("original", "live"))
    _, volume = await live.cluster.bound("original")
    (live.content(volume.spec.csi.volume_handle) / "note").write_text("as it was")
    await live.cluster.create(SNAPSHOTS, snapshot("moment", "original", "kept-while-wanted"))
    taken = await live.cluster.until(SNAPSHOTS, "moment", lambda each: each.status.ready_to_use)
    assert taken.restore_bytes == GI
    (live.content(volume.spec.csi.volume_handle) / "note").write_text("as it became")
    await live.cluster.create(CLAIMS, claim("restored", "live", source=of_snapshot("moment")))
    await live.cluster.create(CLAIMS, claim("copied", "live", source=of_claim("original")))
    for name, text in (("restored", "as it was"), ("copied", "as it became")):
        _, made = await live.cluster.bound(name)
        assert (live.content(made.spec.csi.volume_handle) / "note").read_text() == text
    content = await live.cluster.get(SNAPSHOT_CONTENTS, taken.bound_content)
    assert content.status.snapshot_handle in await live.snapshots()
    await live.cluster.delete(SNAPSHOTS, "moment")
    await live.cluster.until_gone(SNAPSHOT_CONTENTS, content.name)
    assert content.status.snapshot_handle not in await live.snapshots()
    for name in ("restored", "copied", "original"):
        await _removed(live, name)


async def test_a_claim_waits_for_the_secret_of_its_class_which_nobody_shows(live):
    named = {
        f"csi.storage.k8s.io/provisioner-secret-{key}": value
        for key, value in {"name": "${pvc.name}", "namespace": "${pvc.namespace}"}.items()
    }
    hidden = "not-to-be-seen"
    async with live.cluster.having((CLASSES, storage_class("locked", NAME, parameters=named))):
        await live.cluster.create(CLAIMS, claim("behind-a-lock", "locked"))
        _ = await eventually(lambda: _told(live, "behind-a-lock", "secret default/behind-a-lock not found"))
        secret = {"metadata": {"name": "behind-a-lock"}, "data": {"key": base64.b64encode(hidden.encode()).decode()}}
        await live.cluster.create(SECRETS, secret)
        await live.cluster.bound("behind-a-lock")
        await _removed(live, "behind-a-lock")
        await live.cluster.delete(SECRETS, "behind-a-lock")
    assert hidden not in live.sidecar.log.read_text()
    assert hidden not in live.hostpath.log.read_text()


async def _attached(live, volume):
    for each in await live.cluster.client.list(ATTACHMENTS):
        if each.spec.source.persistent_volume_name == volume and each.status.attached:
            return each
    return None


async def _refused(live, name, why):
    return why in await live.cluster.kubectl("describe", "pod", name)


async def _is_left(live, size):
    """Whether this is published of the place of the driver, for the class whose claims wait for pods."""
    (found,) = [each for each in await live.cluster.client.list(CAPACITIES) if each.storage_class_name == "late"]
    return found.node_topology.match_labels == {KEY: NODE} and whole(found.capacity) == size


async def _told(live, name, why):
    return why in await live.cluster.kubectl("describe", "pvc", name)


async def _removed(live, name):
    """Delete a claim, and see it and its volume go, with the storage."""
    found = await live.cluster.get(CLAIMS, name)
    volume = await live.cluster.get(VOLUMES, found.spec.volume_name)
    await live.cluster.delete(CLAIMS, name)
    await live.cluster.until_gone(VOLUMES, volume.name)
    assert volume.spec.csi.volume_handle not in await live.volumes()
