"""What is refused or warned of in PersistentVolumes, at its edges. Plain cases: tests/cases/admission/pv.json."""

from typing import Any

import pytest

from model.meta import JSON
from model.names import PROVISIONED_BY, ZONE
from tests.webhooks.objects import admit, csi_driver, delete, pv
from tests.webhooks.test_volume_rules import BOTH, BOUND, CLAIM, REFERENCE, affinity, csi, is_in


@pytest.mark.parametrize(
    ("other", "context", "said"),
    [
        pytest.param(pv("other", csi=csi(" v1")), [], "denied", id="the same disk, written otherwise"),
        pytest.param(pv("other", csi=csi("v2")), [], None, id="another disk"),
        pytest.param(pv("other", csi=csi("v1", "elsewhere")), [], None, id="another driver"),
        pytest.param(pv("pv-1", csi=csi()), [], None, id="the volume itself"),
        pytest.param(pv("other", phase="Released", csi=csi()), [], None, id="released"),
        pytest.param(pv("other", phase="Failed", csi=csi()), [], None, id="failed"),
        pytest.param(pv("other", csi=csi(), deletionTimestamp="2026-01-01T00:00:00Z"), [], None, id="going"),
        pytest.param(pv("other", csi=csi()), [csi_driver("block", attachRequired=False)], "warned", id="no attaching"),
        pytest.param(pv("other", csi=csi()), [csi_driver("block")], "denied", id="attaches by default"),
    ],
)
def test_two_volumes_on_one_disk(other: JSON, context: list[JSON], said: str | None) -> None:
    result = admit(pv(csi=csi(" v1 "), accessModes=["ReadWriteOnce"]), other, *context)
    assert (bool(result.denials), bool(result.warnings)) == (said == "denied", said == "warned")
    assert all('"v1"' in each and "other" in each for each in result.denials + result.warnings)


@pytest.mark.parametrize(("modes", "refused"), [(["ReadOnlyMany"], False), (["ReadWriteMany", "ReadWriteOnce"], True)])
def test_shared_volumes_may_name_one_disk(modes: list[str], refused: bool) -> None:
    other = pv("other", csi=csi(), accessModes=["ReadWriteMany"])
    assert bool(admit(pv(csi=csi(), accessModes=modes), other).denials) is refused


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/", True),
        ("/etc", True),
        ("/etc/", True),
        ("//etc/./ssl", True),
        ("/mnt/../etc", True),
        ("/var", True),
        ("/var/lib/kubelet/pods", True),
        ("/run/docker.sock", True),
        ("/var/run/crio/x", True),
        ("/etcetera", False),
        ("/mnt/etc", False),
        ("/var/lib/rancher", False),
        ("/dev/sdb", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("source", ["hostPath", "local"])
def test_protected_paths(path: str, refused: bool, source: str) -> None:
    spec: dict[str, Any] = {source: {"path": path}}
    denials = admit(pv(**spec)).denials
    assert bool(denials) is refused
    assert all(f"spec.{source}.path {path} " in each for each in denials)


@pytest.mark.parametrize(
    ("volume", "rule"),
    [
        (pv(persistentVolumeReclaimPolicy="Delete"), "pv-static-delete"),
        (pv(persistentVolumeReclaimPolicy="Delete", annotations={PROVISIONED_BY: "block"}), None),
        (pv(persistentVolumeReclaimPolicy="Retain"), None),
        (pv(nodeAffinity=affinity([is_in(ZONE, "z")])), "pv-affinity-no-node"),
        (pv(nodeAffinity=affinity([])), "pv-affinity-no-node"),
        (pv(nodeAffinity=affinity([is_in(ZONE, "z")], [is_in(ZONE, "a")])), None),
    ],
)
def test_warnings_of_new_volumes(volume: JSON, rule: str | None) -> None:
    result = admit(volume, BOTH)
    assert result.rules == ([rule] if rule else [])
    assert len(result.warnings) == len(result.rules)


def test_without_nodes_no_affinity_is_called_wrong() -> None:
    assert admit(pv(nodeAffinity=affinity([is_in(ZONE, "z")]))).warnings == []


def test_deleting_a_volume_in_use_is_warned_of() -> None:
    assert "still bound to claim shop/cart" in delete(BOUND, CLAIM).warnings[0]
    assert delete(BOUND).warnings == []
    assert delete(pv(claimRef=REFERENCE), CLAIM).warnings == []
