"""A driver as a plugin: what it is asked for a class and a node, and what becomes of its answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi import parameters, topology, wire
from plugins.csi.access import capabilities
from plugins.csi.serving import Refused, bind, serve
from plugins.csi.volumes import CsiVolumes
from plugins.errors import Exhausted, Failed, InDoubt, NotSupported, PluginError, StillInUse
from plugins.protocol import Expanded
from tests.plugins.csi.hostpath import MI, Driver, Mode, driver, publish
from tests.plugins.csi.test_clients import Script
from tests.plugins.mounts import RecordedMounts
from tests.plugins.objects import GI, allowed, persistent, request, volume

NAME = "hostpath.csi.lading"
NODE_KEY = f"topology.{NAME}/node"
ZONE = "topology.kubernetes.io/zone"


@pytest.fixture
async def hostpath(tmp_path: Path, recorded_mounts: RecordedMounts) -> AsyncIterator[Driver]:
    async with driver(tmp_path, recorded_mounts, capacity_bytes=10 * GI) as started:
        yield started


@pytest.fixture
def plugin(tmp_path: Path) -> CsiVolumes:
    return CsiVolumes(NAME, f"unix://{tmp_path}/csi.sock")


async def test_a_volume_for_a_node_is_reached_from_there(hostpath: Driver, plugin: CsiVolumes) -> None:
    made = await plugin.provision(request(node="node-1", node_labels={NODE_KEY: "n1"}))
    assert made.source["csi"].keys() == {"driver", "volumeHandle"}
    assert made.node_affinity is not None
    assert made.node_affinity.matches_labels({NODE_KEY: "n1"})
    assert not made.node_affinity.matches_labels({NODE_KEY: "n2"})


async def test_a_node_of_another_driver_is_exhausted_and_one_without_labels_fails(
    hostpath: Driver, plugin: CsiVolumes
) -> None:
    with pytest.raises(Exhausted):
        await plugin.provision(request(node="node-2", node_labels={NODE_KEY: "n2"}))
    with pytest.raises(Failed, match="lacks labels"):
        await plugin.provision(request(node="node-3"))


async def test_a_volume_has_the_classs_file_system(hostpath: Driver, plugin: CsiVolumes) -> None:
    made = await plugin.provision(request(parameters={"csi.storage.k8s.io/fstype": "xfs"}))
    assert made.source["csi"]["fsType"] == "xfs"
    block = request("pvc-2", parameters={"csi.storage.k8s.io/fstype": "xfs"}, volume_mode="Block")
    assert "fsType" not in (await plugin.provision(block)).source["csi"]


async def test_what_does_not_fit_is_exhausted(hostpath: Driver, plugin: CsiVolumes) -> None:
    for number in range(10):
        await plugin.provision(request(f"pvc-{number}"))
    with pytest.raises(Exhausted, match="0 are left"):
        await plugin.provision(request("pvc-10"))
    assert await plugin.available_bytes({}, {}) == 0


async def test_a_class_with_secrets_is_not_ours(hostpath: Driver, plugin: CsiVolumes) -> None:
    secrets = {f"csi.storage.k8s.io/provisioner-secret-{part}": "x" for part in ("name", "namespace")}
    with pytest.raises(NotSupported, match="secrets"):
        await plugin.provision(request(parameters=secrets))


async def test_volumes_grow_and_are_copied(hostpath: Driver, plugin: CsiVolumes) -> None:
    handle = (await plugin.provision(request())).source["csi"]["volumeHandle"]
    source = persistent(csi={"driver": NAME, "volumeHandle": handle}, accessModes=["ReadWriteOnce"])
    assert await plugin.expand(source, 2 * GI, GI) == Expanded(2 * GI, node_expansion_required=False)
    taken = await plugin.take_snapshot("snap", handle, {})
    assert await plugin.take_snapshot("snap", handle, {}) == taken
    assert (taken.source_handle, taken.size_bytes, taken.ready) == (handle, 2 * GI, True)
    for _ in range(2):
        await plugin.delete_snapshot(taken.handle)
    assert await plugin.available_bytes({}, {NODE_KEY: "n1"}) == 8 * GI
    assert await plugin.available_bytes({}, {NODE_KEY: "n2"}) == 0


async def test_what_is_attached_is_still_in_use(hostpath: Driver, plugin: CsiVolumes) -> None:
    made = await plugin.provision(request())
    await hostpath.controller.publish(publish(made.source["csi"]["volumeHandle"]))
    with pytest.raises(StillInUse):
        await plugin.delete(volume(**made.source))


async def test_another_driver_at_the_socket_is_not_used(hostpath: Driver, tmp_path: Path) -> None:
    other = CsiVolumes("other.csi", f"unix://{tmp_path}/csi.sock")
    with pytest.raises(Failed, match=r"there is driver hostpath\.csi\.lading"):
        await other.provision(request())


async def test_a_driver_that_is_away_leaves_it_in_doubt(tmp_path: Path) -> None:
    with pytest.raises(InDoubt):
        await CsiVolumes(NAME, f"unix://{tmp_path}/none.sock", seconds=0.3).provision(request())


CAN = pb.ControllerGetCapabilitiesResponse(capabilities=[{"rpc": {"type": "CREATE_DELETE_VOLUME"}}])
SMALL = pb.CreateVolumeResponse(volume=pb.Volume(volume_id="v", capacity_bytes=MI))


@pytest.mark.parametrize("deleted", [pb.DeleteVolumeResponse(), Refused(StatusCode.INTERNAL, "no")])
async def test_a_volume_that_is_too_small_is_deleted_again(tmp_path: Path, plugin: CsiVolumes, deleted: Any) -> None:
    delete = Script(deleted)
    calls = [
        bind(wire.GET_PLUGIN_INFO, Script(pb.GetPluginInfoResponse(name=NAME))),
        bind(wire.GET_PLUGIN_CAPABILITIES, Script(pb.GetPluginCapabilitiesResponse())),
        bind(wire.CONTROLLER_CAPABILITIES, Script(CAN)),
        bind(wire.CREATE_VOLUME, Script(SMALL)),
        bind(wire.DELETE_VOLUME, delete),
    ]
    async with serve(f"unix://{tmp_path}/csi.sock", calls):
        with pytest.raises(Failed, match="were asked for"):
            await plugin.provision(request())
    assert {each.volume_id for each in delete.requests} == {"v"}


def segments(wanted: pb.TopologyRequirement | None) -> Any:
    if wanted is None:
        return None
    return [[dict(each.segments) for each in terms] for terms in (wanted.requisite, wanted.preferred)]


A, B, C = ({ZONE: zone} for zone in "abc")


@pytest.mark.parametrize(
    ("keys", "node", "labels", "terms", "wanted"),
    [
        ([], "", {}, (), None),
        ([ZONE], "", {}, (), None),
        ([ZONE], "", {}, (allowed(zone=("b", "a")),), [[A, B], [A, B]]),
        ([ZONE], "n", A, (), [[A], [A]]),
        ([], "n", A, (), None),
        ([ZONE], "n", B, (allowed(zone=("c", "b", "a")),), [[A, B, C], [B, C, A]]),
        ([ZONE], "n", B, (allowed(zone=("a",)), allowed(zone=("b", "a"))), [[A, B], [B, A]]),
    ],
)
def test_where_a_volume_is_asked_for(keys: Any, node: str, labels: Any, terms: Any, wanted: Any) -> None:
    assert segments(topology.requirement(keys, node, labels, terms)) == wanted


def test_values_of_several_keys_are_combined() -> None:
    both = topology.flattened([allowed(zone=("a", "b"), rack=("1", "2"))])
    assert both == [{"rack": rack, ZONE: zone} for rack in "12" for zone in "ab"]


def test_a_node_that_the_class_does_not_allow_is_exhausted() -> None:
    with pytest.raises(Exhausted, match="in no topology"):
        topology.requirement([ZONE], "n", C, [allowed(zone=("a",))])


def test_empty_topologies_are_everywhere() -> None:
    assert topology.affinity_of([]) is None
    assert topology.affinity_of([pb.Topology()]) is None


@pytest.mark.parametrize(
    ("given", "driver_gets", "fs_type"),
    [
        ({"kind": "fast"}, {"kind": "fast"}, ""),
        ({"csi.storage.k8s.io/fstype": "xfs", "kind": "fast"}, {"kind": "fast"}, "xfs"),
        ({"FsType": "ext4"}, {}, "ext4"),
        ({"csi.storage.k8s.io/node-stage-secret-name": "x"}, {}, ""),
    ],
)
def test_parameters_are_told_apart(given: dict[str, str], driver_gets: dict[str, str], fs_type: str) -> None:
    read = parameters.read(given)
    assert (read.driver, read.fs_type) == (driver_gets, fs_type)


@pytest.mark.parametrize(
    "given", [{"csi.storage.k8s.io/fsType": "x"}, {"csi.storage.k8s.io/fstype": "x", "fstype": "x"}]
)
def test_parameters_that_contradict_or_are_misspelt_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(PluginError):
        parameters.read(given)


@pytest.mark.parametrize(
    ("mode", "plain", "sharper"),
    [
        ("ReadWriteOnce", Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_MULTI_WRITER),
        ("ReadOnlyMany", Mode.MULTI_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY),
        ("ReadWriteMany", Mode.MULTI_NODE_MULTI_WRITER, Mode.MULTI_NODE_MULTI_WRITER),
        ("ReadWriteOncePod", Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_SINGLE_WRITER),
    ],
)
def test_access_modes(mode: str, plain: Any, sharper: Any) -> None:
    for apart, wanted in ((False, plain), (True, sharper)):
        (found,) = capabilities([mode], "Filesystem", tells_pods_apart=apart)
        assert found.access_mode.mode == wanted


def test_a_claim_without_modes_is_read_and_written_on_one_node() -> None:
    (found,) = capabilities([], "Block")
    assert found.WhichOneof("access_type") == "block"
    assert found.access_mode.mode == Mode.SINGLE_NODE_WRITER
    with pytest.raises(Failed, match="no access mode"):
        capabilities(["ReadMostly"], "Block")
