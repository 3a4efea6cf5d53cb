"""What the driver is asked for a claim, and what is written of it; and what is not asked at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controllers.csi.settings import SidecarSettings
from model import names
from model.meta import JSON
from plugins.csi import csi_pb2 as pb
from tests.controllers.csi.beside import beside
from tests.controllers.csi.provisioner.cluster import (
    NAME,
    PATIENT,
    Cluster,
    cluster,
    wants,
)
from tests.controllers.csi.provisioner.shelf import CALLS, Shelf, reached
from tests.controllers.inprocess import storage_class, world

Mode = pb.VolumeCapability.AccessMode
PREFIX = "csi.storage.k8s.io/"


@asynccontextmanager
async def asked(
    folder: Path,
    *objects: JSON,
    settings: SidecarSettings = PATIENT,
    calls: tuple[str, ...] = CALLS,
    topology: bool = False,
) -> AsyncIterator[tuple[Cluster, Shelf]]:
    """All of it once nothing is left to do."""
    shelf = Shelf()
    async with (
        reached(folder, shelf, calls=calls, topology=topology) as driver,
        world(*objects) as made,
        cluster(made, driver, folder, settings=settings) as running,
    ):
        await running.settle()
        yield running, shelf


def by(parameters: JSON | None = None, **parts: Any) -> JSON:
    return storage_class("fast", NAME, parameters=parameters or {}, **parts)


def why(running: Cluster) -> str:
    """What the claim was told."""
    return "; ".join(
        each["message"] for each in running.made.objects("Event") if each["reason"] == "ProvisioningFailed"
    )


# --- the request ---


async def test_the_request_is_for_the_claim(tmp_path: Path) -> None:
    claim = wants(size="1500k", accessModes=["ReadWriteOnce", "ReadOnlyMany"])
    options = {"mountOptions": ["noatime"]}
    async with asked(tmp_path, by({"tier": "gold", f"{PREFIX}fstype": "xfs"}, **options), claim) as (running, shelf):
        volume = running.volume_of()
        (request,) = shelf.requests
        assert request.name == volume["metadata"]["name"]
        assert request.capacity_range == pb.CapacityRange(required_bytes=1_500_000)
        assert dict(request.parameters) == {"tier": "gold"}
        assert [each.access_mode.mode for each in request.volume_capabilities] == [
            Mode.SINGLE_NODE_WRITER,
            Mode.MULTI_NODE_READER_ONLY,
        ]
        for each in request.volume_capabilities:
            assert each.mount == pb.VolumeCapability.MountVolume(fs_type="xfs", mount_flags=["noatime"])
        assert not request.HasField("accessibility_requirements")
        assert volume["spec"]["csi"]["fsType"] == "xfs"
        assert volume["spec"]["mountOptions"] == ["noatime"]
        assert volume["spec"]["accessModes"] == ["ReadWriteOnce", "ReadOnlyMany"]
        assert volume["spec"]["capacity"] == {"storage": "1500k"}
        assert "nodeAffinity" not in volume["spec"]


async def test_a_block_volume_has_no_file_system(tmp_path: Path) -> None:
    claim = wants(volumeMode="Block")
    async with asked(tmp_path, by({f"{PREFIX}fstype": "xfs"}), claim) as (running, shelf):
        assert shelf.requests[0].volume_capabilities[0].WhichOneof("access_type") == "block"
        assert "fsType" not in running.volume_of()["spec"]["csi"]


@pytest.mark.parametrize(
    ("parameters", "fs_type"),
    [({}, "ext4"), ({"FSType": "xfs"}, "xfs"), ({f"{PREFIX}fstype": "xfs"}, "xfs")],
)
async def test_the_file_system_is_the_classs_or_the_default(tmp_path: Path, parameters: JSON, fs_type: str) -> None:
    settings = replace(PATIENT, default_fs_type="ext4")
    async with asked(tmp_path, by(parameters), wants(), settings=settings) as (running, shelf):
        assert shelf.requests[0].volume_capabilities[0].mount.fs_type == fs_type
        assert running.volume_of()["spec"]["csi"]["fsType"] == fs_type


async def test_drivers_that_tell_pods_apart_are_told_for_how_many_it_is(tmp_path: Path) -> None:
    calls = (*CALLS, "SINGLE_NODE_MULTI_WRITER")
    async with asked(tmp_path, by(), wants(), calls=calls) as (_, shelf):
        assert shelf.requests[0].volume_capabilities[0].access_mode.mode == Mode.SINGLE_NODE_MULTI_WRITER


async def test_the_driver_is_told_the_names_if_it_wants(tmp_path: Path) -> None:
    settings = replace(PATIENT, extra_create_metadata=True, volume_name_prefix="vol")
    async with asked(tmp_path, by({"tier": "gold"}), wants(), settings=settings) as (running, shelf):
        name = f"vol-{running.made.claim('c')['metadata']['uid']}"
        assert running.made.claim("c")["spec"]["volumeName"] == name
        assert dict(shelf.requests[0].parameters) == {
            "tier": "gold",
            f"{PREFIX}pvc/name": "c",
            f"{PREFIX}pvc/namespace": "default",
            f"{PREFIX}pv/name": name,
        }


async def test_attributes_of_the_claim_are_passed_on(tmp_path: Path) -> None:
    attributes = attributes_class()
    claim = wants(volumeAttributesClassName="silver")
    async with asked(tmp_path, by(), attributes, claim) as (running, shelf):
        assert dict(shelf.requests[0].mutable_parameters) == {"iops": "7"}
        assert running.volume_of()["spec"]["volumeAttributesClassName"] == "silver"


def attributes_class(driver: str = NAME) -> JSON:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttributesClass",
        "metadata": {"name": "silver"},
        "driverName": driver,
        "parameters": {"iops": "7"},
    }


@pytest.mark.parametrize(
    ("modes", "marked"),
    [(["ReadOnlyMany"], True), (["ReadWriteOnce", "ReadOnlyMany"], False), (["ReadWriteOnce"], False)],
)
async def test_what_is_only_read_is_attached_so_if_told(tmp_path: Path, modes: list[str], *, marked: bool) -> None:
    settings = replace(PATIENT, read_only_publish=True)
    async with asked(tmp_path, by(), wants(accessModes=modes), settings=settings) as (running, _):
        assert running.volume_of()["spec"]["csi"].get("readOnly", False) is marked


@pytest.mark.parametrize(
    ("answered", "written"),
    [
        ({"capacity_bytes": 0}, {"storage": "1Mi"}),
        ({"capacity_bytes": 2 << 20}, {"storage": "2Mi"}),
    ],
)
async def test_the_volume_has_the_size_that_the_driver_tells(tmp_path: Path, answered: JSON, written: JSON) -> None:
    shelf = Shelf(answer=answered)
    async with reached(tmp_path, shelf) as driver, world(by(), wants()) as made, cluster(made, driver, tmp_path) as run:
        await run.settle()
        assert run.volume_of()["spec"]["capacity"] == written


async def test_the_volume_has_the_drivers_context(tmp_path: Path) -> None:
    shelf = Shelf(answer={"volume_context": {"share": "a"}})
    async with reached(tmp_path, shelf) as driver, world(by(), wants()) as made, cluster(made, driver, tmp_path) as run:
        await run.settle()
        attributes = run.volume_of()["spec"]["csi"]["volumeAttributes"]
        assert attributes.pop(names.PROVISIONER_IDENTITY)
        assert attributes == {"share": "a"}


# --- secrets ---


def secret(name: str = "s", namespace: str = "vault", **data: str) -> JSON:
    from base64 import b64encode

    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


VAULT = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vault"}}
OPERATIONS = {
    "controller-publish": "controllerPublishSecretRef",
    "node-stage": "nodeStageSecretRef",
    "node-publish": "nodePublishSecretRef",
    "controller-expand": "controllerExpandSecretRef",
    "node-expand": "nodeExpandSecretRef",
}


async def test_each_call_has_its_secret(tmp_path: Path) -> None:
    named = ("provisioner", "controller-modify", *OPERATIONS)
    parameters = {f"{PREFIX}{each}-secret-name": f"for-{each}" for each in named}
    parameters |= {f"{PREFIX}{each}-secret-namespace": "vault" for each in named}
    known = secret("for-provisioner", user="me", password="pass")
    async with asked(tmp_path, VAULT, known, by(parameters), wants()) as (running, shelf):
        volume = running.volume_of()
        assert dict(shelf.requests[0].secrets) == {"user": "me", "password": "pass"}
        for operation, field in OPERATIONS.items():
            assert volume["spec"]["csi"][field] == {"name": f"for-{operation}", "namespace": "vault"}
        assert volume["metadata"]["annotations"] == {
            names.PROVISIONED_BY: NAME,
            names.DELETION_SECRET_NAME: "for-provisioner",
            names.DELETION_SECRET_NAMESPACE: "vault",
            names.MODIFY_SECRET_NAME: "for-controller-modify",
            names.MODIFY_SECRET_NAMESPACE: "vault",
        }
        await running.made.delete("PersistentVolumeClaim", "default", "c")
        await running.settle()
        assert dict(shelf.deletions[0].secrets) == {"user": "me", "password": "pass"}
        assert running.made.objects("PersistentVolume") == []


async def test_one_secret_may_do_for_all(tmp_path: Path) -> None:
    parameters = {f"{PREFIX}secret-name": "s", f"{PREFIX}secret-namespace": "vault"}
    async with asked(tmp_path, VAULT, secret(), by(parameters), wants()) as (running, _):
        source = running.volume_of()["spec"]["csi"]
        assert all(source[field] == {"name": "s", "namespace": "vault"} for field in OPERATIONS.values())


async def test_names_of_secrets_are_filled_in(tmp_path: Path) -> None:
    parameters = {
        f"{PREFIX}provisioner-secret-name": "${pvc.name}-${pvc.annotations['team.example.com/key']}",
        f"{PREFIX}provisioner-secret-namespace": "${pvc.namespace}",
        f"{PREFIX}node-stage-secret-name": "${pv.name}",
        f"{PREFIX}node-stage-secret-namespace": "vault",
    }
    claim = wants()
    claim["metadata"]["annotations"] = {"team.example.com/key": "blue"}
    known = secret("c-blue", "default", key="k")
    async with asked(tmp_path, known, by(parameters), claim) as (running, shelf):
        volume = running.volume_of()
        assert dict(shelf.requests[0].secrets) == {"key": "k"}
        reference = {"name": volume["metadata"]["name"], "namespace": "vault"}
        assert volume["spec"]["csi"]["nodeStageSecretRef"] == reference


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"provisioner-secret-name": "s"}, "go together"),
        ({"provisioner-secret-name": "s", "provisioner-secret-namespace": ""}, "go together"),
        ({"secret-name": "${pod.name}", "secret-namespace": "vault"}, "not known here"),
        ({"secret-name": "s", "secret-namespace": "${pvc.name}"}, "not known here"),
        ({"secret-name": "no name", "secret-namespace": "vault"}, "no name of a secret"),
        ({"provisioner-secret-name": "none", "provisioner-secret-namespace": "vault"}, "not found"),
        ({"unknown": "x"}, "misspelt"),
    ],
    ids=str,
)
async def test_secrets_that_can_not_be_had_end_it(tmp_path: Path, parameters: JSON, told: str) -> None:
    prefixed = {f"{PREFIX}{key}": value for key, value in parameters.items()}
    async with asked(tmp_path, VAULT, secret(), by(prefixed), wants()) as (running, shelf):
        assert shelf.requests == []
        assert told in why(running)
        assert running.made.objects("ConfigMap") == []


# --- what is not asked ---


@pytest.mark.parametrize(
    ("claim", "calls", "told"),
    [
        (wants(selector={"matchLabels": {"a": "b"}}), CALLS, "selector"),
        (wants(volumeAttributesClassName="silver"), CALLS[:1], "no MODIFY_VOLUME"),
        (wants(volumeAttributesClassName="bronze"), CALLS, "'bronze' not found"),
        (wants(volumeAttributesClassName="foreign"), CALLS, "of driver other.csi"),
        (wants(storage="migrated"), CALLS, ""),
        (wants(storage="absent"), CALLS, ""),
    ],
    ids=["selector", "no attributes", "attributes not found", "attributes of others", "migrated class", "no class"],
)
async def test_a_claim_that_can_not_be_served_is_told(
    tmp_path: Path, claim: JSON, calls: tuple[str, ...], told: str
) -> None:
    foreign = attributes_class("other.csi")
    foreign["metadata"]["name"] = "foreign"
    objects = (by(), storage_class("migrated", "kubernetes.io/gce-pd"), attributes_class(), foreign, claim)
    async with asked(tmp_path, *objects, calls=calls) as (running, shelf):
        assert shelf.requests == []
        assert told in why(running)
        assert running.made.objects("PersistentVolume") == []


@pytest.mark.parametrize("key", [names.STORAGE_PROVISIONER, names.BETA_STORAGE_PROVISIONER])
async def test_either_annotation_asks(tmp_path: Path, key: str) -> None:
    """The binder is not there, so that only what the claim says counts."""
    shelf, claim = Shelf(), wants()
    claim["metadata"]["annotations"] = {key: NAME}
    async with (
        reached(tmp_path, shelf) as driver,
        world(by(), claim) as made,
        beside(made, driver, "csi-provisioner") as sidecar,
    ):
        await sidecar.settle()
        assert len(made.objects("PersistentVolume")) == 1


async def test_the_newer_annotation_decides(tmp_path: Path) -> None:
    shelf, claim = Shelf(), wants()
    claim["metadata"]["annotations"] = {names.STORAGE_PROVISIONER: "other.csi", names.BETA_STORAGE_PROVISIONER: NAME}
    async with (
        reached(tmp_path, shelf) as driver,
        world(by(), claim) as made,
        beside(made, driver, "csi-provisioner") as sidecar,
    ):
        await sidecar.settle()
        assert shelf.requests == []


async def test_a_class_that_comes_late_is_noticed(tmp_path: Path) -> None:
    claim = wants()
    claim["metadata"]["annotations"] = {names.STORAGE_PROVISIONER: NAME}
    async with asked(tmp_path, claim) as (running, shelf):
        assert "'fast' not found" in why(running)
        await running.made.create(by())
        await running.settle()
        assert len(shelf.volumes) == 1
