"""Volumes as plugins see them."""

import pytest

from plugins.errors import Failed
from plugins.source import of_pod, of_volume


def test_a_pod_volume_has_its_source_and_own_read_only() -> None:
    source = of_pod({"name": "data", "flexVolume": {"driver": "a/b", "readOnly": True}})
    assert (source.name, source.kind, source.read_only, source.persistent) == ("data", "flexVolume", True, False)


def test_a_pod_volume_without_source_is_an_empty_dir() -> None:
    assert of_pod({"name": "data"}).kind == "emptyDir"


def test_a_persistent_volume_takes_read_only_from_the_claims_use() -> None:
    manifest = {"metadata": {"name": "pv"}, "spec": {"nfs": {"server": "s", "path": "/", "readOnly": True}}}
    assert not of_volume(manifest).read_only
    assert of_volume(manifest, claim_read_only=True).read_only


def test_mount_options_are_sorted_once_each_and_the_annotation_wins() -> None:
    spec = {"nfs": {}, "mountOptions": ["soft", "hard", "soft"]}
    assert of_volume({"metadata": {"name": "pv"}, "spec": spec}).mount_options == ("hard", "soft")
    annotated = {"name": "pv", "annotations": {"volume.beta.kubernetes.io/mount-options": "b,a,,b"}}
    assert of_volume({"metadata": annotated, "spec": spec}).mount_options == ("a", "b")


def test_a_source_is_never_printed() -> None:
    source = of_pod({"name": "data", "flexVolume": {"driver": "a/b", "options": {"password": "s3cret"}}})
    assert "s3cret" not in repr(source)


@pytest.mark.parametrize("name", ["", "..", "a/b", "x\0", "x" * 256])
def test_names_that_are_no_part_of_a_path_are_refused(name: str) -> None:
    with pytest.raises(Failed, match="part of a path"):
        of_pod({"name": name, "emptyDir": {}})


def test_two_sources_or_none_are_refused() -> None:
    with pytest.raises(Failed, match="0 sources"):
        of_volume({"metadata": {"name": "pv"}, "spec": {}})
    with pytest.raises(Failed, match="2 sources"):
        of_pod({"name": "x", "emptyDir": {}, "nfs": {}})
