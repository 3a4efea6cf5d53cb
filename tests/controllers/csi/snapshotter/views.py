"""Snapshots and what they need as the controllers see them, with just what decides."""

import msgspec

from controllers.csi.snapshotter.snapshots.decide import Known
from model import names
from model.csi import VolumeSnapshotClass
from model.snapshots import SnapshotError, VolumeSnapshot, VolumeSnapshotContent
from model.volumes import PersistentVolume, PersistentVolumeClaim
from tests.controllers.csi.snapshotter import objects

GOING = "2026-01-02T03:04:05Z"
SOURCE, BOUND = names.SNAPSHOT_SOURCE_PROTECTION, names.SNAPSHOT_BOUND_PROTECTION
MADE = "snapcontent-u-snap"
FAILED = SnapshotError("2026-01-02T03:04:05Z", "it failed")


def merged(base, change):
    """The object with the change in it; None takes a field away."""
    whole = dict(base)
    for key, value in change.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = merged(whole[key], value)
        else:
            whole[key] = value
    return whole


def snapshot(*, held=True, going=False, content="", **change):
    base = objects.snapshot(content=content)
    base["metadata"] |= {"uid": "u-snap", "resourceVersion": "7", "finalizers": [SOURCE] if held else []}
    if going:
        base["metadata"]["deletionTimestamp"] = GOING
    return msgspec.convert(merged(base, change), VolumeSnapshot)


def content(**change):
    base = objects.content(MADE)
    base["spec"] |= {
        "source": {"volumeHandle": "handle-of-disk"},
        "volumeSnapshotRef": {"namespace": "default", "name": "snap", "uid": "u-snap"},
    }
    return msgspec.convert(merged(base, change), VolumeSnapshotContent)


def earlier(uid="", **change):
    """One that was there before the snapshot."""
    base = objects.content("kept")
    base["spec"]["volumeSnapshotRef"] |= {"uid": uid}
    return msgspec.convert(merged(base, change), VolumeSnapshotContent)


def claim(*, held=True, **change):
    base = objects.claim()
    base["metadata"] |= {"uid": "u-data", "finalizers": [names.SNAPSHOT_CLAIM_PROTECTION] if held else []}
    return msgspec.convert(merged(base, change), PersistentVolumeClaim)


def volume(**change):
    return msgspec.convert(merged(objects.volume(uid="u-data"), change), PersistentVolume)


def snapshot_class(name="fast", **more):
    return msgspec.convert(objects.snapshot_class(name, **more), VolumeSnapshotClass)


def known(*there, restored_by=()):
    def one(view):
        by_key = {each.key: each for each in there if isinstance(each, view)}
        return by_key.get

    classes = [each for each in there if isinstance(each, VolumeSnapshotClass)]
    return Known(
        one(VolumeSnapshotContent),
        one(PersistentVolumeClaim),
        one(PersistentVolume),
        lambda: classes,
        lambda key: restored_by if key == "default/snap" else (),
    )


READY = {"status": {"readyToUse": True, "snapshotHandle": "s", "restoreSize": 1 << 30, "creationTime": 10**18}}
TOLD = {
    "status": {
        "boundVolumeSnapshotContentName": MADE,
        "readyToUse": True,
        "restoreSize": "1Gi",
        "creationTime": "2001-09-09T01:46:40Z",
    }
}
GIVEN = (claim(), volume(), snapshot_class())


def going(**change):
    return snapshot(going=True, **merged({**TOLD, "metadata": {"finalizers": [SOURCE, BOUND]}}, change))
