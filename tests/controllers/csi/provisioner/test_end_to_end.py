"""Claims of a class get volumes of a real driver, and both go together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from model import names
from tests.controllers.csi.provisioner.cluster import (
    CLASSES,
    KEY,
    NAME,
    NODES,
    Cluster,
    cluster,
    real_driver,
    wants,
)
from tests.controllers.inprocess import world


@asynccontextmanager
async def started(folder: Path, *objects: Any, **settings: Any) -> AsyncIterator[Cluster]:
    async with (
        real_driver(folder, **settings) as driver,
        world(*CLASSES, *NODES, *objects) as made,
        cluster(made, driver, folder) as running,
    ):
        yield running


async def test_a_claim_gets_a_volume_at_once_and_both_go_together(tmp_path: Path) -> None:
    async with started(tmp_path) as running:
        await running.made.create(wants())
        await running.settle()
        volume, claim = running.volume_of(), running.made.claim("c")
        assert (volume["status"]["phase"], claim["status"]["phase"]) == ("Bound", "Bound")
        assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
        source = volume["spec"]["csi"]
        assert source["driver"] == NAME
        assert source["volumeAttributes"][names.PROVISIONER_IDENTITY].endswith(f"-{NAME}")
        assert volume["metadata"]["annotations"] == {
            names.PROVISIONED_BY: NAME,
            names.DELETION_SECRET_NAME: "",
            names.DELETION_SECRET_NAMESPACE: "",
        }
        assert set(volume["metadata"]["finalizers"]) == {names.EXTERNAL_PROVISIONER, names.VOLUME_PROTECTION}
        assert {"Provisioning", "ProvisioningSucceeded"} <= running.made.reasons("c")
        assert running.storage == {source["volumeHandle"]}
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert running.made.objects("PersistentVolume") == []
        assert running.storage == set()


async def test_a_late_claim_gets_its_volume_where_its_pod_is_to_be(tmp_path: Path) -> None:
    async with started(tmp_path, wants(storage="late")) as running:
        await running.settle()
        assert running.made.objects("PersistentVolume") == []
        await running.made.merge(
            "PersistentVolumeClaim", "default", "c", {"metadata": {"annotations": {names.SELECTED_NODE: "node-1"}}}
        )
        await running.settle()
        terms = running.volume_of()["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
        assert terms == [{"matchExpressions": [{"key": KEY, "operator": "In", "values": ["n1"]}]}]


@pytest.mark.parametrize(("on", "size"), [("node-1", "5Mi"), ("node-9", "1Mi")])
async def test_where_it_can_not_be_made_another_node_is_asked_for(tmp_path: Path, on: str, size: str) -> None:
    async with started(tmp_path, capacity_bytes=4 << 20) as running:
        await running.made.create(wants(storage="late", on=on, size=size))
        await running.settle()
        assert names.SELECTED_NODE not in running.made.claim("c")["metadata"].get("annotations", {})
        assert "ProvisioningFailed" in running.made.reasons("c")
        assert running.made.objects("PersistentVolume") == []


async def test_a_volume_that_is_to_be_kept_is_kept(tmp_path: Path) -> None:
    async with started(tmp_path, wants(storage="kept")) as running:
        await running.settle()
        assert running.volume_of()["metadata"]["finalizers"] == [names.VOLUME_PROTECTION]
        kept = running.storage
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        (volume,) = running.made.objects("PersistentVolume")
        assert volume["status"]["phase"] == "Released"
        assert running.storage == kept == running.handles
