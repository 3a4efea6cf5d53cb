"""Whose turn it is, row by row."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.csi.provisioner.decide import Fate, Key, Later, Make, Nothing, Refuse, fate, is_asked, turn
from model import names
from model.meta import JSON
from model.volumes import PersistentVolume, StorageClass
from tests.controllers.given import GOING, claim, volume

DRIVER = "a.csi"
ASKED = {names.STORAGE_PROVISIONER: DRIVER}
OLDER = {names.BETA_STORAGE_PROVISIONER: DRIVER}
OTHER = {names.STORAGE_PROVISIONER: "b.csi"}
TAKEN_OVER = {names.STORAGE_PROVISIONER: "kubernetes.io/gce-pd", names.MIGRATED_TO: DRIVER}
CHOSEN = {names.SELECTED_NODE: "n1"}


def of(provisioner: str = DRIVER, *, late: bool = False) -> StorageClass:
    mode = "WaitForFirstConsumer" if late else "Immediate"
    parts = {"metadata": {"name": "fast"}, "provisioner": provisioner, "volumeBindingMode": mode}
    return msgspec.convert(parts, StorageClass)


@pytest.mark.parametrize(
    ("annotations", "spec", "going", "asked"),
    [
        (ASKED, {}, False, True),
        (OLDER, {}, False, True),
        (OTHER | OLDER, {}, False, False),
        (TAKEN_OVER, {}, False, True),
        ({}, {}, False, False),
        (OTHER, {}, False, False),
        (ASKED, {"volumeName": "v"}, False, False),
        (ASKED, {}, True, False),
    ],
)
def test_who_is_asked(annotations: JSON, spec: JSON, *, going: bool, asked: bool) -> None:
    metadata = {"annotations": annotations, **({"deletionTimestamp": GOING} if going else {})}
    assert is_asked(claim(metadata=metadata, spec=spec), DRIVER) is asked


@pytest.mark.parametrize(
    ("annotations", "storage_class", "expected"),
    [
        (ASKED, of(), Make),
        (OLDER, of(), Make),
        (OTHER, of(), Nothing),
        ({}, of(), Nothing),
        (ASKED, None, Later),
        (ASKED, of("b.csi"), Nothing),
        (ASKED, of("kubernetes.io/no-provisioner"), Nothing),
        (ASKED, of(late=True), Nothing),
        (ASKED | {names.SELECTED_NODE: ""}, of(late=True), Nothing),
        (ASKED | CHOSEN, of(late=True), Make),
        (ASKED | CHOSEN, of(), Make),
    ],
)
def test_a_claims_turn(annotations: JSON, storage_class: StorageClass | None, expected: type[Any]) -> None:
    wants = claim(metadata={"annotations": annotations}, spec={"storageClassName": "fast"})
    assert isinstance(turn(wants, storage_class, DRIVER), expected)


def test_a_class_of_a_plugin_that_the_driver_took_over_is_refused() -> None:
    pd = "pd.csi.storage.gke.io"
    annotations = TAKEN_OVER | {names.MIGRATED_TO: pd}
    answer = turn(claim(metadata={"annotations": annotations}), of("kubernetes.io/gce-pd"), pd)
    assert isinstance(answer, Refuse)
    assert f"provisioner {pd}" in answer.why


def test_a_selector_chooses_among_volumes_that_there_are() -> None:
    answer = turn(claim(metadata={"annotations": ASKED}, spec={"selector": {}}), of(), DRIVER)
    assert isinstance(answer, Refuse)


OURS = {"csi": {"driver": DRIVER, "volumeHandle": "h"}}
THEIRS = {"csi": {"driver": "b.csi", "volumeHandle": "h"}}
MADE = {names.PROVISIONED_BY: DRIVER}
HELD = [names.EXTERNAL_PROVISIONER]


def made(
    phase: str, policy: str = "Delete", finalizers: list[str] | None = None, *, going: bool = False, **parts: Any
) -> PersistentVolume:
    source, annotations = parts.get("source", OURS), parts.get("annotations", MADE)
    metadata = {"finalizers": finalizers or [], "annotations": annotations}
    if going:
        metadata["deletionTimestamp"] = GOING
    spec = {"persistentVolumeReclaimPolicy": policy, **source}
    return volume(metadata=metadata, spec=spec, status={"phase": phase})


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (made("Bound", finalizers=HELD), Fate.NOTHING),
        (made("Bound"), Fate.HOLD),
        (made("Bound", going=True), Fate.NOTHING),
        (made("Bound", finalizers=HELD, going=True), Fate.NOTHING),
        (made("Pending"), Fate.NOTHING),
        (made("Available", finalizers=HELD), Fate.NOTHING),
        (made("Bound", "Retain", HELD), Fate.LET_GO),
        (made("Bound", "Recycle", HELD), Fate.LET_GO),
        (made("Released", "Retain", HELD, going=True), Fate.LET_GO),
        (made("Bound", "Retain"), Fate.NOTHING),
        (made("Released", "Retain"), Fate.NOTHING),
        (made("Released", finalizers=HELD), Fate.DESTROY),
        (made("Released"), Fate.DESTROY),
        (made("Released", finalizers=HELD, going=True), Fate.DESTROY),
        (made("Released", going=True), Fate.NOTHING),
        (made("Failed", finalizers=HELD), Fate.NOTHING),
    ],
)
def test_a_volumes_fate(seen: PersistentVolume, expected: Fate) -> None:
    assert fate(seen, DRIVER) is expected


@pytest.mark.parametrize(
    ("source", "annotations", "ours"),
    [
        (OURS, MADE, True),
        (OURS, {}, True),
        (THEIRS, {}, False),
        (OURS, {names.PROVISIONED_BY: "b.csi"}, False),
        (THEIRS, {names.PROVISIONED_BY: "b.csi"}, False),
        (
            {"gcePersistentDisk": {"pdName": "d"}},
            {names.PROVISIONED_BY: "kubernetes.io/gce-pd", names.MIGRATED_TO: DRIVER},
            True,
        ),
        ({"gcePersistentDisk": {"pdName": "d"}}, {names.PROVISIONED_BY: "kubernetes.io/gce-pd"}, False),
        ({"gcePersistentDisk": {"pdName": "d"}}, {names.MIGRATED_TO: DRIVER}, True),
        ({"nfs": {"server": "s", "path": "/"}}, {}, False),
    ],
)
def test_who_answers_for_a_volume(source: JSON, annotations: JSON, *, ours: bool) -> None:
    found = fate(made("Released", source=source, annotations=annotations), DRIVER)
    assert found is (Fate.DESTROY if ours else Fate.NOTHING)


_NAMES = st.text("abc-.0123", min_size=1, max_size=10)


@given(_NAMES, _NAMES, st.uuids().map(str))
def test_keys_are_read_as_they_are_written(namespace: str, name: str, uid: str) -> None:
    key = Key(namespace, name, uid)
    assert Key.read(str(key)) == key
    assert Key.of(claim(name, metadata={"namespace": namespace, "uid": uid})) == key
