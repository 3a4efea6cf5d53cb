"""What is written of attachments and of attributes is what a real API server takes, and gives back."""

import asyncio
from contextlib import asynccontextmanager

import pytest_asyncio
from grpc import StatusCode
from prometheus_client import CollectorRegistry

from controllers.csi import names as csi_names
from controllers.csi.service import Sidecar
from kube.caches import Caches
from kube.client import connect
from kube.config import load
from kube.errors import NotFound
from kube.events import EventRecorder
from kube.metrics import Metrics
from model.resources import ATTACHMENTS, ATTRIBUTES_CLASSES, CLAIMS, CSI_NODES, NODES, VOLUMES
from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.serving import Refused, bind
from tests.controllers.csi.attacher.objects import FINALIZER, attachment, csi_node, csi_volume
from tests.controllers.csi.beside import NAME, SETTINGS, told
from tests.controllers.manifests import claim
from tests.plugins.csi.test_clients import Script
from tests.waiting import eventually

REFUSED = Refused(StatusCode.RESOURCE_EXHAUSTED, "the node is full")


@pytest_asyncio.fixture(name="client")
async def of_the_server(control_plane):
    async with connect(await load(control_plane.kubeconfig), metrics=Metrics(CollectorRegistry())) as client:
        yield client


@asynccontextmanager
async def at_work(client, folder, name, *, controller, calls):
    """One controller beside a driver that answers so."""
    async with told(folder, calls, controller=controller) as driver, asyncio.TaskGroup() as group:
        caches, recorder = Caches(client, csi_names.cached([name])), EventRecorder(client, "test")
        sidecar = Sidecar(client, caches, lambda _: recorder, CollectorRegistry(), [name], driver, SETTINGS)
        tasks = [group.create_task(each.run()) for each in (caches, recorder, sidecar)]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def there(client, *objects):
    """These objects while the block runs, and not after it."""
    try:
        for resource, obj in objects:
            await client.create(resource, obj, obj["metadata"].get("namespace", ""))
        yield
    finally:
        for resource, obj in reversed(objects):
            await gone(client, resource, obj["metadata"]["name"], obj["metadata"].get("namespace", ""))


async def gone(client, resource, name, namespace=""):
    try:
        await client.patch(resource, name, {"metadata": {"finalizers": None}}, namespace)
        await client.delete(resource, name, namespace, grace_seconds=0)
    except NotFound:
        pass


async def test_an_attachment_fails_is_made_and_goes(client, tmp_path):
    publish = Script(REFUSED)
    calls = [bind(wire.PUBLISH, publish), bind(wire.UNPUBLISH, Script(pb.ControllerUnpublishVolumeResponse()))]
    node = {"metadata": {"name": "real-1"}}
    objects = [
        (NODES, node),
        (CSI_NODES, csi_node("real-1")),
        (VOLUMES, csi_volume("real-v")),
        (ATTACHMENTS, attachment("real-att", node="real-1", persistentVolumeName="real-v")),
    ]
    async with (
        there(client, *objects),
        at_work(client, tmp_path, "csi-attacher", controller=["PUBLISH_UNPUBLISH_VOLUME"], calls=calls),
    ):

        async def status():
            return (await client.get(ATTACHMENTS, "real-att")).status

        async def error():
            return (await status()).attach_error

        failed = await eventually(error)
        assert (failed.error_code, failed.message) == (
            8,
            "ControllerPublishVolume: RESOURCE_EXHAUSTED: the node is full",
        )
        publish.answers = [pb.ControllerPublishVolumeResponse(publish_context={"device": "x"})]

        async def attached():
            now = await status()
            return now.attached and now.attachment_metadata == {"device": "x"} and now.attach_error is None

        await eventually(attached)
        assert FINALIZER in ((await client.get(VOLUMES, "real-v")).metadata.finalizers or ())
        await client.delete(ATTACHMENTS, "real-att")
        await eventually(lambda: is_gone(client, ATTACHMENTS, "real-att"))
        await client.delete(VOLUMES, "real-v")

        async def let_go():
            return FINALIZER not in ((await client.get(VOLUMES, "real-v")).metadata.finalizers or ())

        await eventually(let_go)


async def is_gone(client, resource, name):
    try:
        await client.get(resource, name)
    except NotFound:
        return True
    return False


async def test_attributes_wait_for_their_class_can_be_refused_and_are_given(client, tmp_path):
    modify = Script(Refused(StatusCode.INVALID_ARGUMENT, "no such iops"))
    wanted = claim("real-c", volumeName="real-m", volumeAttributesClassName="real-gold")
    objects = [(CLAIMS, wanted), (VOLUMES, csi_volume("real-m"))]
    classes = [
        (ATTRIBUTES_CLASSES, {"metadata": {"name": name}, "driverName": NAME, "parameters": {"iops": "1"}})
        for name in ("real-gold", "real-silver")
    ]
    calls = [bind(wire.MODIFY_VOLUME, modify)]
    async with (
        there(client, *objects),
        at_work(client, tmp_path, "csi-modifier", controller=["MODIFY_VOLUME"], calls=calls),
    ):
        await bind_by_hand(client)

        async def says(state):
            under_way = (await client.get(CLAIMS, "real-c", "default")).status.modify_volume_status
            return under_way is not None and under_way.status == state

        await eventually(lambda: says("Pending"))
        async with there(client, *classes):
            await eventually(lambda: says("Infeasible"))
            modify.answers = [pb.ControllerModifyVolumeResponse()]
            await client.patch(CLAIMS, "real-c", {"spec": {"volumeAttributesClassName": "real-silver"}}, "default")

            async def given():
                status = (await client.get(CLAIMS, "real-c", "default")).status
                return status.current_volume_attributes_class_name == "real-silver" and not status.conditions

            await eventually(given)
            volume = await client.get(VOLUMES, "real-m")
            assert volume.spec.volume_attributes_class_name == "real-silver"


async def bind_by_hand(client):
    uid = (await client.get(CLAIMS, "real-c", "default")).uid
    reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "real-c", "uid": uid}
    await client.patch(VOLUMES, "real-m", {"spec": {"claimRef": reference}})
    bound = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    await client.patch(CLAIMS, "real-c", {"status": bound}, "default", subresource="status")
