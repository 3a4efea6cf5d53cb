"""CSI volumes from attaching to detaching on a node: the kubelet's half, against the driver, with real mounts."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import wire
from plugins.csi.mounting import layout, requests
from plugins.csi.mounting.mounter import CsiMounter
from plugins.csi.mounting.requests import Context, DriverSpec, TokenRequest
from plugins.csi.serving import Refused, bind, serve
from plugins.errors import Failed, InDoubt
from plugins.host import Host, Secret
from plugins.source import PodFacts, Source, of_pod
from tests.plugins.csi.hostpath import MI, Driver, Mode, driver, grow, publish
from tests.plugins.csi.test_clients import Script
from tests.plugins.mounts import RecordedOwnership
from tests.plugins.objects import persistent, pod

NAME = "hostpath.csi.lading"


@dataclass
class Facts:
    """What the API says, as tests want it; also the drivers that are registered."""

    endpoints: dict[str, str] = field(default_factory=dict)
    spec: DriverSpec | None = None
    attachments: dict[str, Mapping[str, str]] = field(default_factory=dict)
    asked_tokens: list[Any] = field(default_factory=list)

    def endpoint(self, name: str) -> str | None:
        return self.endpoints.get(name)

    async def driver(self, name: str) -> DriverSpec | None:
        return self.spec

    async def attached(self, attachment: str) -> Mapping[str, str] | None:
        return self.attachments.get(attachment)

    async def tokens(self, pod: PodFacts, wanted: Sequence[TokenRequest]) -> Mapping[str, Mapping[str, str]]:
        self.asked_tokens.append((pod.uid, [each.audience for each in wanted]))
        return {each.audience: {"token": "t0ken", "expirationTimestamp": "2030-01-01T00:00:00Z"} for each in wanted}


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    return Facts({NAME: f"unix://{tmp_path}/csi.sock"})


@pytest.fixture
async def hostpath(tmp_path: Path, real_host: Host) -> AsyncIterator[Driver]:
    async with driver(tmp_path, real_host.mounts) as started:
        yield started


@pytest.fixture
def host(real_host: Host) -> Host:
    return replace(real_host, node="n1", ownership=RecordedOwnership())


async def attached(hostpath: Driver, facts: Facts, *, block: bool = False, **more: Any) -> Source:
    """A volume that is made and attached, as a PersistentVolume."""
    volume = await hostpath.made(block=block)
    mode = Mode.SINGLE_NODE_MULTI_WRITER
    await hostpath.controller.publish(publish(volume.volume_id, block=block, mode=mode))
    facts.attachments[layout.attachment_name(volume.volume_id, NAME, "n1")] = {}
    body = {"driver": NAME, "volumeHandle": volume.volume_id, **more.pop("source", {})}
    spec = {"accessModes": ["ReadWriteOnce"], "volumeMode": "Block" if block else "Filesystem", **more}
    return persistent("pv-a", csi=body, **spec)


async def test_a_directory_for_two_pods(hostpath: Driver, facts: Facts, host: Host) -> None:
    source, mounter = await attached(hostpath, facts), CsiMounter(host, facts, facts)
    handle = source.body["volumeHandle"]
    staging = await mounter.device_mount_path(source)
    for _ in range(2):
        await mounter.mount_device(source, "", staging)
    one, other = await mounter.mount(source, pod("uid-1")), await mounter.mount(source, pod("uid-2"))
    assert await mounter.mount(source, pod("uid-1")) == one
    assert one == host.root / "pods/uid-1/volumes/kubernetes.io~csi/pv-a/mount"
    (one / "file").write_text("shared")
    assert (other / "file").read_text() == "shared"
    data = json.loads((one.parent / "vol_data.json").read_text())
    assert data == {
        "specVolID": "pv-a",
        "volumeHandle": handle,
        "driverName": NAME,
        "nodeName": "n1",
        "attachmentID": layout.attachment_name(handle, NAME, "n1"),
        "volumeLifecycleMode": "Persistent",
    }
    # Another process, that knows nothing but names and paths.
    mounter = CsiMounter(host, facts, facts)
    for _ in range(2):
        for uid in ("uid-1", "uid-2"):
            await mounter.unmount("pv-a", uid)
        await mounter.unmount_device(staging)
    assert not one.parent.exists()
    assert not staging.parent.exists()
    await hostpath.controller.unpublish(handle, "n1")
    await hostpath.controller.delete_volume(handle)


async def test_a_device_for_two_pods(hostpath: Driver, facts: Facts, host: Host, loop_device: Path) -> None:
    source, mounter = await attached(hostpath, facts, block=True), CsiMounter(host, facts, facts)
    handle = source.body["volumeHandle"]
    one, other = await mounter.map_device(source, pod("uid-1")), await mounter.map_device(source, pod("uid-2"))
    assert await mounter.map_device(source, pod("uid-1")) == one
    assert one == host.root / "pods/uid-1/volumeDevices/kubernetes.io~csi/pv-a"
    assert stat.S_ISBLK(one.stat().st_mode)
    one.write_bytes(b"shared")
    with other.open("rb") as device:
        assert device.read(6) == b"shared"
    await hostpath.controller.expand(grow(handle, 4 * MI))
    await mounter.expand_on_node(source, "", one.resolve(), 4 * MI, MI)
    for _ in range(2):
        for uid in ("uid-1", "uid-2"):
            await mounter.unmap_device("pv-a", uid)
    assert not one.is_symlink()
    assert [path for path in layout.devices_folder(host.root).rglob("*") if "pv-a" in path.name] == []
    await hostpath.controller.unpublish(handle, "n1")


async def test_a_pods_own_volume(hostpath: Driver, facts: Facts, host: Host) -> None:
    facts.spec = DriverSpec(pod_info_on_mount=True, volume_lifecycle_modes=("Ephemeral",))
    mounter = CsiMounter(host, facts, facts)
    source = of_pod({"name": "own", "csi": {"driver": NAME, "volumeAttributes": {"size": str(2 * MI)}}})
    assert not mounter.can_mount_device(source)
    path = await mounter.mount(source, pod())
    (path / "file").write_text("x")
    for _ in range(2):
        await mounter.unmount("own", "uid-1")
    assert not path.parent.exists()
    assert not list((hostpath.folder / "state" / "volumes").iterdir())


async def test_a_mode_that_the_driver_does_not_have_is_refused(facts: Facts, host: Host) -> None:
    mounter = CsiMounter(host, facts, facts)
    with pytest.raises(Failed, match="Ephemeral"):
        await mounter.mount(of_pod({"name": "own", "csi": {"driver": NAME}}), pod())


async def test_what_is_not_attached_yet_or_not_registered_leaves_nothing(
    hostpath: Driver, facts: Facts, host: Host
) -> None:
    source, mounter = await attached(hostpath, facts), CsiMounter(host, facts, facts)
    facts.attachments.clear()
    staging = await mounter.device_mount_path(source)
    with pytest.raises(Failed, match="not attached yet"):
        await mounter.mount_device(source, "", staging)
    with pytest.raises(Failed, match="not attached yet"):
        await mounter.mount(source, pod())
    facts.endpoints.clear()
    with pytest.raises(Failed, match="not registered"):
        await mounter.mount(source, pod())
    assert not staging.parent.exists()
    assert not (host.root / "pods").exists()


async def test_a_driver_that_needs_no_attaching_is_not_waited_for(tmp_path: Path, facts: Facts, host: Host) -> None:
    facts.spec = DriverSpec(attach_required=False)
    async with driver(tmp_path, host.mounts, attach=False) as hostpath:
        volume = await hostpath.made()
        source = persistent("pv-a", csi={"driver": NAME, "volumeHandle": volume.volume_id})
        mounter = CsiMounter(host, facts, facts)
        staging = await mounter.device_mount_path(source)
        await mounter.mount_device(source, "", staging)
        await mounter.unmount_device(staging)


async def test_a_mount_that_fails_leaves_nothing(hostpath: Driver, facts: Facts, host: Host) -> None:
    source, mounter = await attached(hostpath, facts), CsiMounter(host, facts, facts)
    with pytest.raises(Failed, match="is not staged"):
        await mounter.mount(source, pod())
    assert not (host.root / "pods/uid-1/volumes/kubernetes.io~csi/pv-a").exists()


async def test_the_group_gets_the_files_where_the_policy_says_so(hostpath: Driver, facts: Facts, host: Host) -> None:
    source, mounter = await attached(hostpath, facts, source={"fsType": "ext4"}), CsiMounter(host, facts, facts)
    staging = await mounter.device_mount_path(source)
    await mounter.mount_device(source, "", staging)
    path = await mounter.mount(source, pod(fs_group=7))
    assert isinstance(host.ownership, RecordedOwnership)
    assert host.ownership.walks == [{"path": str(path), "gid": 7, "policy": "Always"}]
    await mounter.unmount("pv-a", "uid-1")
    await mounter.unmount_device(staging)


@pytest.mark.parametrize("path", ["/etc", "plugins/kubernetes.io/csi/x/globalmount", "pods/x"])
async def test_only_our_own_staging_paths_are_taken_away(facts: Facts, host: Host, path: str) -> None:
    with pytest.raises(Failed, match="none of CSI's"):
        await CsiMounter(host, facts, facts).unmount_device(host.root / path)


async def test_a_directory_without_its_data_is_not_unmounted_blindly(facts: Facts, host: Host) -> None:
    (host.root / "pods/uid-1/volumes/kubernetes.io~csi/pv-a/mount").mkdir(parents=True)
    with pytest.raises(Failed, match="can not be told"):
        await CsiMounter(host, facts, facts).unmount("pv-a", "uid-1")


STAGING = pb.NodeGetCapabilitiesResponse(capabilities=[{"rpc": {"type": "STAGE_UNSTAGE_VOLUME"}}])


@pytest.mark.parametrize(("fault", "left"), [(StatusCode.INTERNAL, False), (StatusCode.DEADLINE_EXCEEDED, True)])
async def test_after_a_call_in_doubt_all_is_left_for_the_next(
    tmp_path: Path, facts: Facts, recorded_host: Host, fault: StatusCode, left: bool
) -> None:
    facts.spec = DriverSpec(attach_required=False)
    calls = [
        bind(wire.NODE_CAPABILITIES, Script(STAGING)),
        bind(wire.STAGE, Script(Refused(fault, "no"), pb.NodeStageVolumeResponse())),
        bind(wire.NODE_PUBLISH, Script(Refused(fault, "no"), pb.NodePublishVolumeResponse())),
    ]
    source = persistent("pv-a", csi={"driver": NAME, "volumeHandle": "h"})
    mounter = CsiMounter(recorded_host, facts, facts)
    staging = await mounter.device_mount_path(source)
    async with serve(facts.endpoints[NAME], calls):
        for call, folder in (
            (lambda: mounter.mount_device(source, "", staging), staging.parent),
            (lambda: mounter.mount(source, pod()), recorded_host.pod_path(layout.PLUGIN, "uid-1", "pv-a")),
        ):
            with pytest.raises(InDoubt if left else Failed):
                await call()
            assert (folder / "vol_data.json").exists() == left
            await call()
            assert (folder / "vol_data.json").exists()


class OneSecret:
    def __init__(self, **data: bytes) -> None:
        self.asked: list[tuple[str, str]] = []
        self.data = data

    async def secret(self, namespace: str, name: str) -> Secret | None:
        self.asked.append((namespace, name))
        return Secret("Opaque", self.data) if self.data else None


async def staged_with(secrets: OneSecret, tmp_path: Path, facts: Facts, host: Host) -> Script:
    facts.spec = DriverSpec(attach_required=False)
    stage = Script(pb.NodeStageVolumeResponse())
    body = {"driver": NAME, "volumeHandle": "h", "nodeStageSecretRef": {"name": "keys", "namespace": "storage"}}
    mounter = CsiMounter(replace(host, secrets=secrets), facts, facts)
    source = persistent("pv-a", csi=body)
    async with serve(facts.endpoints[NAME], [bind(wire.NODE_CAPABILITIES, Script(STAGING)), bind(wire.STAGE, stage)]):
        await mounter.mount_device(source, "", await mounter.device_mount_path(source))
    return stage


async def test_a_secret_goes_to_the_driver_as_text(tmp_path: Path, facts: Facts, recorded_host: Host) -> None:
    secrets = OneSecret(key=b"s3cret")
    stage = await staged_with(secrets, tmp_path, facts, recorded_host)
    assert secrets.asked == [("storage", "keys")]
    assert dict(stage.requests[0].secrets) == {"key": "s3cret"}


@pytest.mark.parametrize("data", [{}, {"key": b"\xff"}])
async def test_a_secret_problem_fails_before_the_driver_is_called(
    tmp_path: Path, facts: Facts, recorded_host: Host, data: dict[str, bytes]
) -> None:
    with pytest.raises(Failed, match="secret"):
        await staged_with(OneSecret(**data), tmp_path, facts, recorded_host)


async def test_tokens_and_the_pods_facts_go_where_the_driver_wants_them(
    tmp_path: Path, facts: Facts, recorded_host: Host
) -> None:
    wanted = (TokenRequest("vault"), TokenRequest())
    facts.spec = DriverSpec(attach_required=False, pod_info_on_mount=True, token_requests=wanted)
    script = Script(pb.NodePublishVolumeResponse())
    capabilities = Script(pb.NodeGetCapabilitiesResponse())
    calls = [bind(wire.NODE_CAPABILITIES, capabilities), bind(wire.NODE_PUBLISH, script)]
    attributes = {"csi.storage.k8s.io/ephemeral": "true", "share": "x"}
    source = persistent("pv-a", csi={"driver": NAME, "volumeHandle": "h", "volumeAttributes": attributes})
    async with serve(facts.endpoints[NAME], calls):
        await CsiMounter(recorded_host, facts, facts).mount(source, pod(service_account="runner"))
    context = dict(script.requests[0].volume_context)
    assert facts.asked_tokens == [("uid-1", ["vault", ""])]
    assert json.loads(context.pop("csi.storage.k8s.io/serviceAccount.tokens")).keys() == {"vault", ""}
    assert context == {
        "share": "x",
        "csi.storage.k8s.io/ephemeral": "false",
        "csi.storage.k8s.io/pod.name": "web-0",
        "csi.storage.k8s.io/pod.namespace": "shop",
        "csi.storage.k8s.io/pod.uid": "uid-1",
        "csi.storage.k8s.io/serviceAccount.name": "runner",
    }
    assert attributes == {"csi.storage.k8s.io/ephemeral": "true", "share": "x"}


def test_tokens_can_go_among_the_secrets() -> None:
    spec = DriverSpec(service_account_token_in_secrets=True)
    context = Context(tokens={"": {"token": "t0ken", "expirationTimestamp": "x"}})
    source = persistent("pv-a", csi={"driver": NAME, "volumeHandle": "h"})
    request = requests.publish(source, "h", ("", "/t"), frozenset(), spec, pod(), context)
    assert "t0ken" in request.secrets["csi.storage.k8s.io/serviceAccount.tokens"]
    assert "t0ken" not in str(request.volume_context)
    assert "t0ken" not in repr(context)


def test_the_group_goes_to_a_driver_that_takes_it() -> None:
    source = persistent("pv-a", csi={"driver": NAME, "volumeHandle": "h", "fsType": "ext4"})
    has = frozenset({"VOLUME_MOUNT_GROUP"})
    assert requests.capability(source, has, 7).mount.volume_mount_group == "7"
    assert requests.capability(source, frozenset(), 7).mount.volume_mount_group == ""
    assert not requests.gives_group(source, DriverSpec(fs_group_policy="File"), has)


@pytest.mark.parametrize(
    ("policy", "modes", "fs_type", "read_only", "gives"),
    [
        ("File", ["ReadWriteMany"], "", False, True),
        ("File", ["ReadWriteMany"], "", True, False),
        ("None", ["ReadWriteOnce"], "ext4", False, False),
        ("ReadWriteOnceWithFSType", ["ReadWriteOnce"], "ext4", False, True),
        ("ReadWriteOnceWithFSType", ["ReadWriteOncePod"], "ext4", False, True),
        ("ReadWriteOnceWithFSType", ["ReadWriteOnce"], "", False, False),
        ("ReadWriteOnceWithFSType", ["ReadWriteMany"], "ext4", False, False),
    ],
)
def test_who_gives_files_to_the_group(
    policy: str, modes: list[str], fs_type: str, read_only: bool, gives: bool
) -> None:
    body = {"driver": NAME, "volumeHandle": "h", "fsType": fs_type}
    source = persistent("pv-a", read_only=read_only, csi=body, accessModes=modes)
    assert requests.gives_group(source, DriverSpec(fs_group_policy=policy), frozenset()) is gives


def test_names_are_those_of_kubelet() -> None:
    digest = "9072ed11cc1acb5fa433a877ff339b6311d013f33bddd1d0092711a8ace5b16d"  # of "hdn"
    assert layout.attachment_name("h", "d", "n") == f"csi-{digest}"
    assert layout.ephemeral_handle("hd", "n") == f"csi-{digest}"
    staging = layout.staging_path(Path("/r"), "a.csi", "hdn")
    assert staging == Path(f"/r/plugins/kubernetes.io/csi/a.csi/{digest}/globalmount")


async def test_a_data_file_is_whole_or_not_there(tmp_path: Path) -> None:
    await asyncio.to_thread(layout.write, tmp_path / "a", {"driverName": "d"})
    assert layout.read(tmp_path / "a") == {"driverName": "d"}
    assert layout.read(tmp_path / "b") is None
    for text in ("", "[]", '{"driverName": 1}', "{"):
        (tmp_path / "a" / "vol_data.json").write_text(text)
        with pytest.raises(Failed):
            layout.read(tmp_path / "a")
