"""What is done about an attachment, row by row."""

import msgspec
import pytest

from controllers.csi.attacher.decide import (
    Around,
    Attach,
    Attacher,
    CannotAttach,
    CannotDetach,
    Close,
    Detach,
    MarkAttached,
    Nothing,
    decide,
    disagrees,
    may_go,
    wakes,
)
from model.csi import CSINode, VolumeAttachment
from model.names import ATTACHED_NODE_ID
from tests.controllers.given import GOING, volume

DRIVER = "a.csi"
WHO = Attacher(DRIVER, publishes=True)
TRIVIAL = Attacher(DRIVER, publishes=False)
HELD = {"finalizers": [WHO.finalizer]}
NOTED = {"annotations": {ATTACHED_NODE_ID: "old"}}
DELETED = {"deletionTimestamp": GOING}
ATTACHED = {"attached": True}
INLINE = {"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], "csi": {"driver": DRIVER, "volumeHandle": "i"}}}

DISK = volume("v", spec={"csi": {"driver": DRIVER, "volumeHandle": "h"}})
DISK_GOES = volume("v", metadata=DELETED, spec={"csi": {"driver": DRIVER, "volumeHandle": "h"}})
OTHERS = volume("v", spec={"csi": {"driver": "b.csi", "volumeHandle": "h"}})
NO_HANDLE = volume("v", spec={"csi": {"driver": DRIVER}})
NFS = volume("v", spec={"nfs": {}})


def node(driver=DRIVER, node_id="n"):
    return msgspec.convert({"spec": {"drivers": [{"name": driver, "nodeID": node_id}]}}, CSINode)


NODE, OTHER_NODE = node(), node("b.csi")


def attachment(metadata=None, status=None, source=None, attacher=DRIVER):
    whole = {
        "metadata": {"name": "att", "uid": "u", **(metadata or {})},
        "spec": {"attacher": attacher, "nodeName": "n1", "source": source or {"persistentVolumeName": "v"}},
        "status": status or {},
    }
    return msgspec.convert(whole, VolumeAttachment)


ROWS = [
    # deletion, finalizer, attached | volume, node | action
    ("new", attachment(), DISK, NODE, Attach),
    ("inline", attachment(source=INLINE), None, NODE, Attach),
    ("tried before", attachment(HELD | NOTED), DISK, NODE, Attach),
    ("attached", attachment(HELD, ATTACHED), DISK, NODE, Nothing),
    ("attached by hand", attachment(None, ATTACHED), None, None, Nothing),
    ("no volume", attachment(), None, NODE, CannotAttach),
    ("volume is going", attachment(), DISK_GOES, NODE, CannotAttach),
    ("volume of another driver", attachment(), OTHERS, NODE, CannotAttach),
    ("volume without a handle", attachment(), NO_HANDLE, NODE, CannotAttach),
    ("volume that is none of CSI", attachment(), NFS, NODE, CannotAttach),
    ("no node", attachment(), DISK, None, CannotAttach),
    ("driver is not on the node", attachment(), DISK, OTHER_NODE, CannotAttach),
    ("what the node was called does not count", attachment(HELD | NOTED), DISK, None, CannotAttach),
    ("both sources", attachment(source=INLINE | {"persistentVolumeName": "v"}), DISK, NODE, CannotAttach),
    ("no source", attachment(source={"other": 1}), DISK, NODE, CannotAttach),
    ("unreadable", attachment(source={"inlineVolumeSpec": {"csi": 1}}), None, NODE, CannotAttach),
    ("goes", attachment(DELETED | HELD, ATTACHED), DISK, NODE, Detach),
    ("goes, perhaps attached", attachment(DELETED | HELD), DISK, NODE, Detach),
    ("goes with its volume", attachment(DELETED | HELD, ATTACHED), DISK_GOES, NODE, Detach),
    ("goes, the node is gone", attachment(DELETED | HELD | NOTED, ATTACHED), DISK, None, Detach),
    ("goes, the driver is gone", attachment(DELETED | HELD | NOTED, ATTACHED), DISK, OTHER_NODE, Detach),
    ("goes, nobody knows the node", attachment(DELETED | HELD, ATTACHED), DISK, None, CannotDetach),
    ("goes, nobody knows the volume", attachment(DELETED | HELD, ATTACHED), None, NODE, CannotDetach),
    ("was never attached", attachment(DELETED), DISK, NODE, Nothing),
    ("is gone", attachment(DELETED, ATTACHED), DISK, NODE, Nothing),
    ("is kept and does not say so", attachment(DELETED | {"finalizers": ["x/y"]}, ATTACHED), DISK, NODE, Close),
]


@pytest.mark.parametrize(
    ("given", "disk", "csi_node", "action"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_what_is_done(given, disk, csi_node, action):
    assert type(decide(given, Around(disk, csi_node), WHO)) is action


@pytest.mark.parametrize(
    ("given", "action"),
    [
        (attachment(), MarkAttached),
        (attachment(None, ATTACHED), Nothing),
        (attachment(DELETED, ATTACHED), Nothing),
        (attachment(DELETED | HELD, ATTACHED), Close),
    ],
    ids=["new", "attached", "goes", "held since the driver attached"],
)
def test_a_driver_that_attaches_nothing_is_never_asked(given, action):
    assert type(decide(given, Around(), TRIVIAL, again=True)) is action


@pytest.mark.parametrize(
    ("given", "action"),
    [
        (attachment(HELD, ATTACHED), Attach),
        (attachment(DELETED | NOTED, ATTACHED), Detach),
    ],
    ids=["attached", "detached"],
)
def test_where_the_driver_says_otherwise_it_is_asked_again(given, action):
    assert type(decide(given, Around(DISK, NODE), WHO, again=True)) is action


@pytest.mark.parametrize(
    ("given", "published", "disagree"),
    [
        (attachment(HELD, ATTACHED), True, False),
        (attachment(HELD, ATTACHED), False, True),
        (attachment(HELD), True, False),
        (attachment(DELETED | HELD, ATTACHED), True, False),
        (attachment(DELETED), True, True),
        (attachment(DELETED), False, False),
    ],
)
def test_only_what_is_settled_is_compared(given, published, disagree):
    assert disagrees(given, WHO.finalizer, published=published) is disagree


def test_the_node_is_called_what_it_is_called_now():
    action = decide(attachment(DELETED | HELD | NOTED), Around(DISK, NODE), WHO)
    assert isinstance(action, Detach)
    assert action.node_id == "n"
    action = decide(attachment(DELETED | HELD | NOTED), Around(DISK, None), WHO)
    assert isinstance(action, Detach)
    assert action.node_id == "old"


def test_a_volume_of_an_in_tree_plugin_is_attached_by_the_driver_that_took_over():
    driver = "pd.csi.storage.gke.io"
    disk = volume("v", spec={"gcePersistentDisk": {"pdName": "d"}})
    action = decide(attachment(attacher=driver), Around(disk, node(driver)), Attacher(driver, publishes=True))
    assert isinstance(action, Attach)
    assert action.spec.csi is not None
    assert action.spec.csi.volume_handle == "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"


@pytest.mark.parametrize(
    ("driver", "finalizer"),
    [
        ("hostpath.csi.k8s.io", "external-attacher/hostpath-csi-k8s-io"),
        ("a_b.c-", "external-attacher/a-b-c-X"),
    ],
)
def test_the_finalizer_is_that_of_the_external_attacher(driver, finalizer):
    assert Attacher(driver, publishes=True).finalizer == finalizer


def test_a_volume_goes_once_no_attachment_names_it():
    held = volume("v", metadata=DELETED | HELD)
    assert may_go(held, [], WHO.finalizer)
    assert not may_go(held, [attachment()], WHO.finalizer)
    assert not may_go(volume("v", metadata=HELD), [], WHO.finalizer)
    assert not may_go(volume("v", metadata=DELETED), [], WHO.finalizer)


@pytest.mark.parametrize(
    ("after", "woken"),
    [
        (attachment(), False),
        (attachment(HELD | NOTED), False),
        (attachment(None, {"attachError": {"message": "no"}, "detachError": {"message": "no"}}), False),
        (attachment(None, ATTACHED), True),
        (attachment(DELETED), True),
        (attachment({"uid": "another"}), True),
    ],
)
def test_what_is_written_down_wakes_nobody(after, woken):
    assert wakes(attachment(), after) is woken
    assert wakes(None, after)
