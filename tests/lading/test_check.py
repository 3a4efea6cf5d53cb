"""`lading check`: what it reads, says, mends, and how it ends."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lading.cli.app import run

VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pv-1
spec:
  mountOptions:
    - " ro "  # read only
  capacity: {storage: 1Gi}
  persistentVolumeReclaimPolicy: Retain
"""
PROTECTED = """\
apiVersion: v1
kind: PersistentVolume
metadata: {name: bad}
spec:
  hostPath:
    path: /etc
"""
CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cart, namespace: shop}
spec:
  resources: {requests: {storage: 100}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "volumes.yaml").write_text(f"{VOLUME}---\n{PROTECTED}")
    (tmp_path / "claim.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": [claim_json()]}))
    (tmp_path / ".hidden.yaml").write_text("[")
    (tmp_path / "README.md").write_text("no manifest")
    return tmp_path


def claim_json() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteOnce", "ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def test_every_line_says_file_line_document_object_and_rule(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-f", str(folder)]) == 1
    volumes, claim = folder / "base" / "volumes.yaml", folder / "claim.json"
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(": would")[0].partition(": spec")[0] for line in told] == [
        f"{volumes}:6: document 1: normalized: PersistentVolume pv-1",
        f"{volumes}:16: document 2: refused: PersistentVolume bad",
        f"{claim}:1: document 1: normalized: PersistentVolumeClaim shop/cart",
        "3 checked, 1 refused, 2 normalized",
    ]
    assert told[0].endswith(': would set spec.mountOptions to ["ro"] [pv-mount-options]')
    assert told[1].endswith("use a directory made for volumes [pv-hostpath-protected]")


def test_fix_mends_files_in_place_and_leaves_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    volumes = folder / "base" / "volumes.yaml"
    volumes.chmod(0o640)
    assert run(["check", "--fix", "-f", str(folder)]) == 1
    assert volumes.read_text() == f"{VOLUME}---\n{PROTECTED}".replace('" ro "', '"ro"')
    assert volumes.stat().st_mode & 0o777 == 0o640
    assert json.loads((folder / "claim.json").read_text())["items"][0]["spec"]["accessModes"] == ["ReadWriteOnce"]
    told = capsys.readouterr()
    assert told.err.count(": normalized") == 2
    assert told.out.splitlines()[-1] == "3 checked, 1 refused"
    before = volumes.stat().st_mtime_ns
    assert run(["check", "--fix", "-f", str(folder)]) == 1
    assert volumes.stat().st_mtime_ns == before, "what needs no mending is not written"
    assert {each.name for each in folder.iterdir()} == {"base", "claim.json", ".hidden.yaml", "README.md"}


def test_standard_input_is_mended_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(VOLUME))
    assert run(["check", "--fix", "-f", "-"]) == 0
    told = capsys.readouterr()
    assert told.out == VOLUME.replace('" ro "', '"ro"')
    assert "1 checked" in told.err


@pytest.mark.parametrize(
    ("text", "fail_on", "status"),
    [
        (VOLUME, "refused", 0),
        (VOLUME, "warning", 0),
        (VOLUME, "normalized", 1),
        (CLAIM, "refused", 0),
        (CLAIM, "warning", 1),
        (PROTECTED, "refused", 1),
        ("kind: Other\napiVersion: v1\n", "normalized", 0),
        ("", "normalized", 0),
    ],
)
def test_the_status_is_for_machines(tmp_path: Path, text: str, fail_on: str, status: int) -> None:
    (tmp_path / "f.yaml").write_text(text)
    assert run(["check", "-f", str(tmp_path / "f.yaml"), "--fail-on", fail_on]) == status


def test_json_tells_every_finding(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "-o", "json", "-f", str(folder / "base")])
    told = json.loads(capsys.readouterr().out)
    assert told["checked"] == 2
    assert told["findings"][1] == {
        "file": str(folder / "base" / "volumes.yaml"),
        "document": 2,
        "line": 16,
        "kind": "PersistentVolume",
        "namespace": "",
        "name": "bad",
        "rule": "pv-hostpath-protected",
        "outcome": "refused",
        "field": "spec.hostPath.path",
        "message": told["findings"][1]["message"],
    }


def test_sarif_is_what_code_scanners_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-o", "sarif", "-f", str(folder / "base")]) == 1
    (run_,) = json.loads(capsys.readouterr().out)["runs"]
    rules = [each["id"] for each in run_["tool"]["driver"]["rules"]]
    assert [rules[each["ruleIndex"]] for each in run_["results"]] == [each["ruleId"] for each in run_["results"]]
    assert [each["level"] for each in run_["results"]] == ["note", "error"]
    (place,) = run_["results"][1]["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": str(folder / "base" / "volumes.yaml")},
        "region": {"startLine": 16},
    }


def test_an_object_of_another_shape_is_an_error_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.yaml").write_text(VOLUME.replace("capacity: {storage: 1Gi}", "storageClassName: [a]"))
    assert run(["check", "-f", str(tmp_path)]) == 1
    assert ":8: document 1: error: PersistentVolume pv-1: Expected `str`, got `array`" in capsys.readouterr().out


def test_namespaces_among_the_manifests_decide_for_their_claims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rules.settings").write_text(
        "rules: {pvc-tiny-request: refuse}\n"
        "namespaces: [{selector: {matchLabels: {env: dev}}, rules: {pvc-tiny-request: off}}]"
    )
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {env: dev}}\n"
    for text, status in ((CLAIM, 1), (f"{namespace}---\n{CLAIM}", 0)):
        (tmp_path / "f.yaml").write_text(text)
        assert run(["check", "-f", str(tmp_path / "f.yaml"), "--settings", str(tmp_path / "rules.settings")]) == status
    assert "refused: PersistentVolumeClaim shop/cart: request of 100 is less than 1Mi" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "f.yaml:1: no YAML"),
        (b"\xff", "no YAML"),
        (b"- a", "a manifest is a mapping, not a list"),
        (None, "No"),
    ],
)
def test_what_can_not_be_read_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "f.yaml").write_bytes(content)
    assert run(["check", "-f", str(tmp_path / "f.yaml")]) == 2
    assert said in capsys.readouterr().err


def test_what_can_not_be_read_hides_nothing_of_the_rest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = folder / "base" / "template.yaml"
    template.write_text("a: {{ .Values.x }}\n")
    assert run(["check", "--fix", "-f", str(folder)]) == 2
    told = capsys.readouterr()
    assert f"{template}:1: " in told.err
    assert "refused: PersistentVolume bad" in told.out
    assert template.read_text() == "a: {{ .Values.x }}\n"


@pytest.mark.kubectl
def test_what_an_overlay_makes_is_checked(
    kubectl: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "base" / "kustomization.yaml").write_text("namePrefix: prod-\nresources: [volumes.yaml]\n")
    built = subprocess.run([kubectl, "kustomize", folder / "base"], check=True, capture_output=True, text=True)
    monkeypatch.setattr("sys.stdin", io.StringIO(built.stdout))
    assert run(["check", "-f", "-"]) == 1
    told = capsys.readouterr().out
    assert "-:" in told
    assert "normalized: PersistentVolume prod-pv-1: would set spec.mountOptions" in told
    assert "refused: PersistentVolume prod-bad: spec.hostPath.path /etc" in told


def test_a_folder_without_manifests_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "-f", str(tmp_path)]) == 2
    assert "holds no" in capsys.readouterr().err
