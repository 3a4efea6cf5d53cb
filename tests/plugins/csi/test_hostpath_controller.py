"""The driver's volumes and snapshots: idempotent by name, in the codes of the specification."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi.errors import code_of
from plugins.errors import PluginError
from tests.plugins.csi.hostpath import MI, Driver, Mode, create, driver, grow, publish
from tests.plugins.mounts import RecordedMounts

OURS = {"topology.hostpath.csi.lading/node": "n1"}


@pytest.fixture
async def hostpath(tmp_path: Path, recorded_mounts: RecordedMounts) -> AsyncIterator[Driver]:
    async with driver(tmp_path, recorded_mounts, capacity_bytes=100 * MI, max_volume_bytes=80 * MI) as started:
        yield started


async def refused(call: Awaitable[Any]) -> StatusCode | None:
    """The code that a call is refused with."""
    with pytest.raises(PluginError) as caught:
        await call
    return code_of(caught.value)


async def test_it_says_who_it_is_and_what_it_can(hostpath: Driver) -> None:
    assert await hostpath.identity.name() == "hostpath.csi.lading"
    assert await hostpath.identity.ready()
    assert await hostpath.identity.capabilities() == {
        "CONTROLLER_SERVICE",
        "VOLUME_ACCESSIBILITY_CONSTRAINTS",
        "ONLINE",
    }
    assert "PUBLISH_UNPUBLISH_VOLUME" in await hostpath.controller.capabilities()
    info = await hostpath.node.info()
    assert (info.node_id, dict(info.accessible_topology.segments)) == ("n1", OURS)


async def test_a_volume_is_made_once_by_its_name(hostpath: Driver) -> None:
    volume = await hostpath.made()
    assert await hostpath.made() == volume
    assert volume.capacity_bytes == MI
    assert [dict(each.segments) for each in volume.accessible_topology] == [OURS]


async def test_the_longest_name_is_taken(hostpath: Driver) -> None:
    assert (await hostpath.made("x" * 128)).volume_id


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (create(size=2 * MI), StatusCode.ALREADY_EXISTS),
        (create(size=0, limit=MI - 512), StatusCode.ALREADY_EXISTS),
        (create(block=True), StatusCode.ALREADY_EXISTS),
        (create(name=""), StatusCode.INVALID_ARGUMENT),
        (create(name="x" * 129), StatusCode.INVALID_ARGUMENT),
        (create(name="a\nb"), StatusCode.INVALID_ARGUMENT),
        (create("b", -1), StatusCode.INVALID_ARGUMENT),
        (create("b", 2 * MI, limit=MI), StatusCode.OUT_OF_RANGE),
        (create("b", 81 * MI), StatusCode.OUT_OF_RANGE),
        (create("b", 10**18), StatusCode.OUT_OF_RANGE),
        (create("b", snapshot="none"), StatusCode.NOT_FOUND),
        (create("b", clone="../../etc"), StatusCode.NOT_FOUND),
        (create("b", parameters={"kind": "fast"}), StatusCode.INVALID_ARGUMENT),
        (create("b", mutable_parameters={"iops": "1"}), StatusCode.INVALID_ARGUMENT),
        (create("b", at={"topology.hostpath.csi.lading/node": "n2"}), StatusCode.RESOURCE_EXHAUSTED),
        (pb.CreateVolumeRequest(name="b"), StatusCode.INVALID_ARGUMENT),
        (pb.CreateVolumeRequest(name="b", volume_capabilities=[{}]), StatusCode.INVALID_ARGUMENT),
        (pb.CreateVolumeRequest(name="b", volume_capabilities=[{"mount": {}}]), StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_can_not_be_made(hostpath: Driver, other: pb.CreateVolumeRequest, code: StatusCode) -> None:
    await hostpath.made()
    assert await refused(hostpath.controller.create_volume(other)) is code


async def test_metadata_that_the_provisioner_adds_is_no_parameter(hostpath: Driver) -> None:
    assert (await hostpath.made(parameters={"csi.storage.k8s.io/pvc/name": "data"})).volume_id


async def test_sizes_are_whole_sectors_within_the_range(hostpath: Driver) -> None:
    assert (await hostpath.made(size=MI - 1, limit=MI)).capacity_bytes == MI
    assert (await hostpath.made("b", size=0, limit=2 * MI)).capacity_bytes == 2 * MI


async def test_deleting_twice_is_deleting_once(hostpath: Driver) -> None:
    volume = await hostpath.made()
    for _ in range(2):
        await hostpath.controller.delete_volume(volume.volume_id)
    assert not list((hostpath.folder / "state" / "volumes").iterdir())
    await hostpath.controller.delete_volume("../../etc/passwd")
    assert await refused(hostpath.controller.delete_volume("")) is StatusCode.INVALID_ARGUMENT


async def test_capacity_is_what_is_left_and_never_given_twice(hostpath: Driver) -> None:
    async def left(**segments: str) -> int:
        request = pb.GetCapacityRequest(accessible_topology=pb.Topology(segments=segments))
        return (await hostpath.controller.capacity(request)).available_capacity

    assert await left() == 100 * MI
    asked = [hostpath.made(f"pvc-{number}", 30 * MI) for number in range(8)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 3
    assert {code_of(answer) for answer in answers if isinstance(answer, BaseException)} == {
        StatusCode.RESOURCE_EXHAUSTED
    }
    assert await left() == 10 * MI
    assert await left(**{"topology.hostpath.csi.lading/node": "n2"}) == 0


async def test_the_same_request_many_times_at_once_makes_one_volume(hostpath: Driver) -> None:
    made = await asyncio.gather(*(hostpath.made() for _ in range(5)))
    assert len({volume.volume_id for volume in made}) == 1
    assert len([entry async for entry in hostpath.controller.volumes()]) == 1


async def test_a_copy_has_the_content_and_goes_its_own_way(hostpath: Driver) -> None:
    source = await hostpath.made()
    content(hostpath, source).joinpath("file").write_text("old")
    snapshot = await hostpath.controller.create_snapshot(take("snap-1", source))
    content(hostpath, source).joinpath("file").write_text("new")
    restored = await hostpath.made("restored", snapshot=snapshot.snapshot_id)
    cloned = await hostpath.made("cloned", size=2 * MI, clone=source.volume_id)
    await hostpath.controller.delete_volume(source.volume_id)
    assert content(hostpath, restored).joinpath("file").read_text() == "old"
    assert content(hostpath, cloned).joinpath("file").read_text() == "new"
    assert restored.content_source.snapshot.snapshot_id == snapshot.snapshot_id
    assert cloned.content_source.volume.volume_id == source.volume_id


async def test_a_copy_of_a_device_is_as_large_as_asked_for(hostpath: Driver) -> None:
    source = await hostpath.made(block=True)
    image = content(hostpath, source).with_suffix(".img")
    image.write_bytes(b"data" + bytes(MI - 4))
    cloned = await hostpath.made("cloned", 3 * MI, block=True, clone=source.volume_id)
    copy = content(hostpath, cloned).with_suffix(".img").read_bytes()
    assert (copy[:4], len(copy)) == (b"data", 3 * MI)


async def test_links_in_a_volume_are_copied_as_links(hostpath: Driver, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    source = await hostpath.made()
    content(hostpath, source).joinpath("link").symlink_to(tmp_path / "secret")
    cloned = await hostpath.made("cloned", clone=source.volume_id)
    assert content(hostpath, cloned).joinpath("link").is_symlink()


async def test_a_source_must_fit(hostpath: Driver) -> None:
    source = await hostpath.made(size=2 * MI)
    smaller = create("b", MI, clone=source.volume_id)
    assert await refused(hostpath.controller.create_volume(smaller)) is StatusCode.OUT_OF_RANGE
    other = create("b", 2 * MI, clone=source.volume_id, block=True)
    assert await refused(hostpath.controller.create_volume(other)) is StatusCode.INVALID_ARGUMENT
    unsaid = await hostpath.made("c", size=0, clone=source.volume_id)
    assert unsaid.capacity_bytes == 2 * MI


async def test_snapshots_are_taken_once_by_their_name(hostpath: Driver) -> None:
    one, other = await hostpath.made("a"), await hostpath.made("b")
    controller = hostpath.controller
    snapshot = await controller.create_snapshot(take("snap-1", one))
    assert await controller.create_snapshot(take("snap-1", one)) == snapshot
    assert snapshot.ready_to_use
    assert snapshot.creation_time.seconds > 0
    assert await refused(controller.create_snapshot(take("snap-1", other))) is StatusCode.ALREADY_EXISTS
    assert await refused(controller.create_snapshot(take("", one))) is StatusCode.INVALID_ARGUMENT
    nowhere = pb.CreateSnapshotRequest(name="snap-2")
    assert await refused(controller.create_snapshot(nowhere)) is StatusCode.INVALID_ARGUMENT
    nowhere.source_volume_id = "none"
    assert await refused(controller.create_snapshot(nowhere)) is StatusCode.NOT_FOUND
    assert await controller.snapshot(snapshot.snapshot_id) == snapshot
    for _ in range(2):
        await controller.delete_snapshot(snapshot.snapshot_id)
    assert await refused(controller.snapshot(snapshot.snapshot_id)) is StatusCode.NOT_FOUND


async def test_snapshots_are_listed_by_id_by_source_and_in_pages(hostpath: Driver) -> None:
    one, other = await hostpath.made("a"), await hostpath.made("b")
    of_one = [await hostpath.controller.create_snapshot(take(f"s{number}", one)) for number in range(3)]
    of_other = await hostpath.controller.create_snapshot(take("t", other))

    async def listed(**which: Any) -> list[str]:
        return sorted([each.snapshot_id async for each in hostpath.controller.snapshots(**which)])

    assert await listed(source_volume_id=one.volume_id) == sorted(each.snapshot_id for each in of_one)
    assert await listed(snapshot_id=of_other.snapshot_id) == [of_other.snapshot_id]
    assert await listed(snapshot_id="none") == []
    assert await listed(source_volume_id="none") == []
    assert len(await listed()) == 4


async def test_pages_lose_nothing_when_volumes_come_and_go(hostpath: Driver) -> None:
    from plugins.csi import wire

    made = {(await hostpath.made(f"pvc-{number}")).volume_id for number in range(5)}

    async def page(token: str) -> pb.ListVolumesResponse:
        request = pb.ListVolumesRequest(max_entries=2, starting_token=token)
        return await hostpath.connection.call(wire.LIST_VOLUMES, request, 60)

    first = await page("")
    seen = {entry.volume.volume_id for entry in first.entries}
    gone = first.entries[0].volume.volume_id
    await hostpath.controller.delete_volume(gone)
    await hostpath.made("new")
    token = first.next_token
    while token:
        answer = await page(token)
        seen |= {entry.volume.volume_id for entry in answer.entries}
        token = answer.next_token
    assert made <= seen
    assert await refused(page("bad token")) is StatusCode.ABORTED
    negative = pb.ListVolumesRequest(max_entries=-1)
    assert await refused(hostpath.connection.call(wire.LIST_VOLUMES, negative, 60)) is StatusCode.INVALID_ARGUMENT


async def test_attaching_twice_is_attaching_once(hostpath: Driver) -> None:
    volume = await hostpath.made()
    for _ in range(2):
        await hostpath.controller.publish(publish(volume.volume_id))
    state = await hostpath.controller.volume(volume.volume_id)
    assert list(state.status.published_node_ids) == ["n1"]
    for node in ("n1", "n1", ""):
        await hostpath.controller.unpublish(volume.volume_id, node)
    state = await hostpath.controller.volume(volume.volume_id)
    assert list(state.status.published_node_ids) == []


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda volume: publish(""), StatusCode.INVALID_ARGUMENT),
        (lambda volume: publish(volume, node=""), StatusCode.INVALID_ARGUMENT),
        (lambda volume: pb.ControllerPublishVolumeRequest(volume_id=volume, node_id="n1"), StatusCode.INVALID_ARGUMENT),
        (lambda volume: publish("none"), StatusCode.NOT_FOUND),
        (lambda volume: publish(volume, node="n9"), StatusCode.NOT_FOUND),
        (lambda volume: publish(volume, readonly=True), StatusCode.ALREADY_EXISTS),
        (lambda volume: publish(volume, mode=Mode.MULTI_NODE_MULTI_WRITER), StatusCode.ALREADY_EXISTS),
        (lambda volume: publish(volume, block=True), StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_what_can_not_be_attached(
    hostpath: Driver, request_of: Callable[[str], pb.ControllerPublishVolumeRequest], code: StatusCode
) -> None:
    volume = await hostpath.attached()
    assert await refused(hostpath.controller.publish(request_of(volume.volume_id))) is code


async def test_an_attached_volume_is_not_deleted(hostpath: Driver) -> None:
    volume = await hostpath.attached()
    assert await refused(hostpath.controller.delete_volume(volume.volume_id)) is StatusCode.FAILED_PRECONDITION
    await hostpath.controller.unpublish(volume.volume_id, "n1")
    await hostpath.controller.delete_volume(volume.volume_id)


async def test_nodes_have_a_limit_that_no_rush_passes(tmp_path: Path, recorded_mounts: RecordedMounts) -> None:
    async with driver(tmp_path, recorded_mounts, max_volumes_per_node=3) as hostpath:
        assert (await hostpath.node.info()).max_volumes_per_node == 3
        volumes = [await hostpath.made(f"pvc-{number}") for number in range(6)]
        asked = [hostpath.controller.publish(publish(volume.volume_id)) for volume in volumes]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        codes = [code_of(answer) for answer in answers if isinstance(answer, BaseException)]
        assert codes == [StatusCode.RESOURCE_EXHAUSTED] * 3


async def test_a_single_nodes_volume_is_on_one_node_at_a_time(tmp_path: Path, recorded_mounts: RecordedMounts) -> None:
    segments = {"topology.kubernetes.io/zone": "a"}
    async with driver(tmp_path, recorded_mounts, other_nodes=frozenset({"n2"}), segments=segments) as hostpath:
        volume = await hostpath.attached()
        assert [dict(each.segments) for each in volume.accessible_topology] == [segments]
        elsewhere = hostpath.controller.publish(publish(volume.volume_id, "n2"))
        assert await refused(elsewhere) is StatusCode.FAILED_PRECONDITION
        shared = await hostpath.made("shared")
        for node in ("n1", "n2"):
            await hostpath.controller.publish(publish(shared.volume_id, node, mode=Mode.MULTI_NODE_MULTI_WRITER))


async def test_without_attaching_it_has_no_such_calls(tmp_path: Path, recorded_mounts: RecordedMounts) -> None:
    async with driver(tmp_path, recorded_mounts, attach=False) as hostpath:
        volume = await hostpath.made()
        assert "PUBLISH_UNPUBLISH_VOLUME" not in await hostpath.controller.capabilities()
        assert await refused(hostpath.controller.publish(publish(volume.volume_id))) is StatusCode.UNIMPLEMENTED


async def test_growing_counts_and_never_shrinks(hostpath: Driver) -> None:
    volume = await hostpath.made(size=10 * MI)
    grown = await hostpath.controller.expand(grow(volume.volume_id, 20 * MI))
    assert (grown.capacity_bytes, grown.node_expansion_required) == (20 * MI, False)
    assert (await hostpath.controller.expand(grow(volume.volume_id, 5 * MI))).capacity_bytes == 20 * MI
    await hostpath.made("other", 75 * MI)
    assert await refused(hostpath.controller.expand(grow(volume.volume_id, 30 * MI))) is StatusCode.RESOURCE_EXHAUSTED
    assert await refused(hostpath.controller.expand(grow(volume.volume_id, 81 * MI))) is StatusCode.OUT_OF_RANGE
    assert await refused(hostpath.controller.expand(grow("", MI))) is StatusCode.INVALID_ARGUMENT
    assert await refused(hostpath.controller.expand(grow("none", MI))) is StatusCode.NOT_FOUND
    empty = pb.ControllerExpandVolumeRequest(volume_id=volume.volume_id)
    assert await refused(hostpath.controller.expand(empty)) is StatusCode.INVALID_ARGUMENT


async def test_a_device_grows_on_the_node_too(hostpath: Driver) -> None:
    volume = await hostpath.made(block=True)
    grown = await hostpath.controller.expand(grow(volume.volume_id, 4 * MI))
    assert grown.node_expansion_required
    assert content(hostpath, volume).with_suffix(".img").stat().st_size == 4 * MI


async def test_capabilities_are_confirmed_or_explained(hostpath: Driver) -> None:
    from tests.plugins.csi.hostpath import capability

    volume = await hostpath.made()

    def asking(volume_id: str, *wanted: pb.VolumeCapability) -> pb.ValidateVolumeCapabilitiesRequest:
        return pb.ValidateVolumeCapabilitiesRequest(volume_id=volume_id, volume_capabilities=wanted)

    validate = hostpath.controller.validate
    assert await validate(asking(volume.volume_id, capability())) == ""
    assert "is a directory" in await validate(asking(volume.volume_id, capability(block=True)))
    assert await refused(validate(asking("none", capability()))) is StatusCode.NOT_FOUND
    assert await refused(validate(asking(volume.volume_id))) is StatusCode.INVALID_ARGUMENT
    assert await refused(validate(asking("", capability()))) is StatusCode.INVALID_ARGUMENT


async def test_a_volume_whose_content_is_gone_says_so(hostpath: Driver) -> None:
    volume = await hostpath.made()
    assert not (await hostpath.controller.volume(volume.volume_id)).status.volume_condition.abnormal
    content(hostpath, volume).rmdir()
    assert (await hostpath.controller.volume(volume.volume_id)).status.volume_condition.abnormal


async def test_a_copy_that_fails_leaves_nothing_and_the_name_free(
    hostpath: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.csi.hostpath.content import Content
    from plugins.errors import Exhausted

    source = await hostpath.made()

    async def full(self: Content, source: Path, target: Path) -> None:
        raise Exhausted("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Content, "_copy", full)
        copying = hostpath.made("cloned", clone=source.volume_id)
        assert await refused(copying) is StatusCode.RESOURCE_EXHAUSTED
    assert (await hostpath.made("cloned", 5 * MI)).capacity_bytes == 5 * MI


def content(hostpath: Driver, volume: pb.Volume) -> Path:
    return hostpath.folder / "state" / "volumes" / volume.volume_id


def take(name: str, volume: pb.Volume) -> pb.CreateSnapshotRequest:
    return pb.CreateSnapshotRequest(name=name, source_volume_id=volume.volume_id)
