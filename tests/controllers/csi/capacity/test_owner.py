"""Whom published capacities go with."""

import pytest
from prometheus_client import CollectorRegistry

from controllers.csi.capacity.owner import OwnerError, owners
from kube.client import Client
from kube.errors import NotFound
from kube.metrics import Metrics
from model.meta import JSON
from tests.controllers.inprocess import Direct, World, world
from tests.controllers.manifests import pod


def owned(obj: JSON, kind: str, name: str, uid: str) -> JSON:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
    return obj | {"metadata": obj["metadata"] | {"ownerReferences": [reference]}}


def client_of(made: World) -> Client:
    return Client(Direct(made.api), Metrics(CollectorRegistry()), "lading")  # type: ignore[arg-type]


@pytest.mark.parametrize(("level", "kind", "name"), [(0, "Pod", "me"), (1, "ReplicaSet", "rs")])
async def test_the_owner_is_so_many_levels_above(level: int, kind: str, name: str) -> None:
    async with world(owned(pod("me"), "ReplicaSet", "rs", "u-rs")) as made:
        (found,) = await owners(client_of(made), "default", "me", level)
        assert (found["kind"], found["name"], found["controller"]) == (kind, name, True)


async def test_an_owner_above_another_is_read() -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "rs", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    above = owned(pod("me"), "PersistentVolumeClaim", "rs", "u-rs")
    above["metadata"]["ownerReferences"][0]["apiVersion"] = "v1"
    async with world(owned(claim, "Deployment", "whole", "u-whole"), above) as made:
        (found,) = await owners(client_of(made), "default", "me", 2)
        assert (found["kind"], found["name"], found["uid"]) == ("Deployment", "whole", "u-whole")
        with pytest.raises(NotFound):
            await owners(client_of(made), "default", "me", 3)


async def test_there_may_be_none() -> None:
    async with world(pod("me")) as made:
        client = client_of(made)
        assert await owners(client, "default", "", 1) == ()
        assert await owners(client, "default", "me", -1) == ()
        with pytest.raises(
            OwnerError, match="Pod default/me has no owner: --capacity-ownerref-level 1 is too high, 0 is"
        ):
            await owners(client, "default", "me", 1)
        with pytest.raises(OwnerError, match="no pod default/another: see --pod-name"):  # and no lost race
            await owners(client, "default", "another", 1)
