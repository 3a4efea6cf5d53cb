"""For whom a claim waits that is to grow, decided without a server."""

import msgspec
import pytest

from controllers.expander.decide import (
    Grow,
    Grown,
    LeaveToDriver,
    LeaveToOthers,
    NotBound,
    Nothing,
    decide,
    wakes,
)
from model import names
from storage.translation import PLUGINS
from tests.controllers.given import claim, volume

CSI = {"csi": {"driver": "disk.example.com", "volumeHandle": "h"}}
IN_TREE = {
    "aws_elastic_block_store": {"awsElasticBlockStore": {"volumeID": "vol-1"}},
    "gce_persistent_disk": {"gcePersistentDisk": {"pdName": "d"}},
    "azure_disk": {"azureDisk": {"diskURI": "/d"}},
    "cinder": {"cinder": {"volumeID": "v"}},
    "portworx_volume": {"portworxVolume": {"volumeID": "v"}},
    "azure_file": {"azureFile": {"shareName": "s", "secretName": "t"}},
    "vsphere_volume": {"vsphereVolume": {"volumePath": "[a] b"}},
}


def growing(request="2Gi", capacity="1Gi", phase="Bound", **parts):
    spec = {"volumeName": "disk", "resources": {"requests": {"storage": request}}}
    return claim(spec=spec, status={"phase": phase, "capacity": {"storage": capacity}}, **parts)


def of(wanted, metadata=None, **source):
    reference = {"namespace": wanted.namespace, "name": wanted.name, "uid": wanted.uid}
    return volume(metadata=metadata, spec={"claimRef": reference, **(source or CSI)})


def test_a_csi_volume_is_left_to_its_driver_without_a_word_on_the_claim():
    assert decide(growing(), of(growing())) == LeaveToOthers(growing())


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_volume_of_a_migrated_plugin_is_left_to_the_driver_that_took_over(plugin):
    assert decide(growing(), of(growing(), **IN_TREE[plugin.source])) == LeaveToDriver(growing(), plugin)


def test_a_volume_that_nobody_in_the_tree_can_grow_is_left_to_others():
    assert decide(growing(), of(growing(), nfs={"server": "s", "path": "/"})) == LeaveToOthers(growing())


FLEX_VOLUME = {"flexVolume": {"driver": "example.com/disk"}}


def flex(claim_, capacity, noted=None):
    metadata = {"annotations": {names.PRE_RESIZE_CAPACITY: noted}} if noted else None
    return of(claim_, metadata=metadata, capacity={"storage": capacity}, **FLEX_VOLUME)


def with_status(claim_, **status):
    return msgspec.structs.replace(claim_, status=msgspec.structs.replace(claim_.status, **status))


PENDING = {"allocated_resources": {"storage": "2Gi"}, "allocated_resource_statuses": {"storage": "NodeResizePending"}}
BEGUN = PENDING | {"allocated_resource_statuses": {"storage": "ControllerResizeInProgress"}}


@pytest.mark.parametrize(
    ("asks", "size"),
    [
        (growing("2Gi"), "2Gi"),
        (with_status(growing("2Gi"), **BEGUN), "2Gi"),
        (with_status(growing("3Gi"), **BEGUN), "2Gi"),
    ],
    ids=["asks for more", "was broken off", "was broken off and asks for still more"],
)
def test_a_flex_volume_gets_the_size_and_what_was_begun_is_ended_first(asks, size):
    there = flex(asks, "1Gi")
    assert decide(asks, there) == Grow(asks, there, "example.com/disk", size)


@pytest.mark.parametrize("asks", [growing("2Gi"), growing("3Gi")], ids=["as before", "more"])
def test_while_the_node_is_at_it_a_flex_volume_is_left_alone(asks):
    waiting = with_status(asks, **PENDING)
    assert decide(waiting, flex(asks, "2Gi", noted="1Gi")) == Nothing()


def test_when_the_node_is_done_what_the_claim_had_before_is_forgotten():
    done = growing("2Gi", "2Gi")
    there = flex(done, "2Gi", noted="1Gi")
    assert decide(done, there) == Grown(there)


@pytest.mark.parametrize(("request_", "capacity"), [("1Gi", "1Gi"), ("1Gi", "2Gi"), ("1024Mi", "1Gi")])
def test_a_claim_that_has_what_it_asks_for_is_left_alone(request_, capacity):
    content = growing(request_, capacity)
    assert decide(content, of(content)) == Nothing()


def test_an_unfinished_growth_is_told_of_again():
    done = growing("1Gi", "1Gi")
    noted = of(done, metadata={"annotations": {names.PRE_RESIZE_CAPACITY: "1Gi"}})
    assert decide(done, noted) == LeaveToOthers(done)


def test_a_claim_whose_volume_is_not_there_or_not_its_own_is_looked_at_again():
    assert decide(growing(), None) == NotBound("there is no volume 'disk'")
    stolen = volume(spec={"claimRef": {"namespace": "ns", "name": "data", "uid": "uid-earlier"}, **CSI})
    assert decide(growing(), stolen) == NotBound("volume disk is not bound to the claim")
    assert decide(growing(), volume(spec=CSI)) == NotBound("volume disk is not bound to the claim")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, growing(), True),
        (None, growing(phase="Pending"), False),
        (growing("1Gi"), growing("2Gi"), True),
        (growing("3Gi"), growing("2Gi"), False),
        (growing("2Gi", "1Gi"), growing("2Gi", "2Gi"), True),
        (growing(), growing(metadata={"labels": {"a": "b"}}), False),
        (growing("1Gi", phase="Lost"), growing("2Gi", phase="Lost"), False),
    ],
    ids=["new", "new, not bound", "asks more", "asks less", "has more", "nothing of size", "lost"],
)
def test_what_wakes_the_expander(old, new, expected):
    assert wakes(old, new) is expected
