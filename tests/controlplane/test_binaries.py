"""Binaries are looked for in order, and what does not run or is too old does not count."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.controlplane.binaries import NAMES, Binaries, Binary, MissingBinaryError, SkewError, check_skew, find
from tests.controlplane.build import PROGRAMS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def install(tmp_path):
    """Puts a program that prints a text, and ends with a status, into a folder."""

    def install(folder, name, text, status=0):
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{text}'\nexit {status}\n")
        path.chmod(0o755)
        return path

    return install


@pytest.fixture
def environ(tmp_path):
    return {
        "KUBEBUILDER_ASSETS": str(tmp_path / "assets"),
        "PATH": str(tmp_path / "path"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def test_the_assets_of_envtest_come_before_the_path(install, environ):
    there = install("assets", "kube-apiserver", "Kubernetes v1.36.1")
    install("path", "kube-apiserver", "Kubernetes v1.35.0")
    binary = find("kube-apiserver", environ, print)
    assert (binary.path, binary.version, binary.origin) == (there, (1, 36, 1), "$KUBEBUILDER_ASSETS")


def test_what_the_assets_lack_may_be_on_the_path(install, environ):
    install("assets", "kube-apiserver", "Kubernetes v1.36.1")
    there = install("path", "kube-scheduler", "Kubernetes v1.36.1")
    assert find("kube-scheduler", environ, print).path == there


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("kube-apiserver", "Kubernetes v1.33.9", 0),
        ("etcd", "etcd Version: 3.4.30", 0),
        ("kubectl", "Client Version: v1.37.2", 1),
        ("kubectl", "I am a wrapper without anything to wrap", 0),
    ],
)
def test_what_is_too_old_or_does_not_run_is_passed_over(install, environ, name, text, status):
    install("assets", name, text, status)
    there = install("path", name, "v1.37.2" if name != "etcd" else "3.7.0")
    assert find(name, environ, print).path == there


def test_an_old_kubectl_will_do_when_it_runs(install, environ):
    there = install("path", "kubectl", "Client Version: v1.20.0")
    assert find("kubectl", environ, print).path == there


def test_without_binaries_and_go_one_line_says_what_was_tried(install, environ):
    refused = install("path", "etcd", "etcd Version: 3.4.30")
    with pytest.raises(MissingBinaryError) as raised:
        find("etcd", environ, print)
    assert str(raised.value) == (
        f"no etcd in $KUBEBUILDER_ASSETS or on PATH, and {refused} is 3.4.30; there is no Go on PATH "
        "(Go 1.26.0 or newer builds what is missing)"
    )


def test_a_binary_is_looked_for_once(install, environ):
    binaries = Binaries(print, environ)
    with pytest.raises(MissingBinaryError):
        binaries.get("kubectl")
    install("path", "kubectl", "Client Version: v1.37.2")
    with pytest.raises(MissingBinaryError):
        binaries.get("kubectl")
    assert Binaries(print, environ).get("kubectl") is not None


@pytest.mark.parametrize("version", [(1, 36, 9), (1, 35, 0)])
def test_a_server_may_be_as_old_as_the_api_server_or_older(version):
    check_skew(
        Binary("kube-scheduler", Path("s"), version, "PATH"), Binary("kube-apiserver", Path("a"), (1, 36, 2), "")
    )


def test_a_server_that_is_newer_than_the_api_server_is_refused():
    apiserver = Binary("kube-apiserver", Path("a"), (1, 36, 2), "$KUBEBUILDER_ASSETS")
    with pytest.raises(SkewError, match=r"kube-scheduler 1\.37\.2 .* is newer than kube-apiserver 1\.36\.2"):
        check_skew(Binary("kube-scheduler", Path("s"), (1, 37, 2), "built"), apiserver)


def test_every_binary_is_built_by_one_program():
    assert sorted(name for program in PROGRAMS for name in program.binaries) == sorted(NAMES)


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 passed, 1 skipped"), ("true", "1 passed, 1 error")])
def test_a_missing_binary_skips_its_tests_and_fails_them_in_ci(environ, tmp_path, ci, outcome):
    (tmp_path / "test_it.py").write_text("def test_a(kubectl): assert kubectl\ndef test_b(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.controlplane.plugin", "-p", "no:cacheprovider", "-rsE"]
    inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    ran = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path / "test_it.py")],
        env={**inherited, **environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in ran.stdout
    assert "the tests that need kubectl can not run: no kubectl in $KUBEBUILDER_ASSETS or on PATH" in ran.stdout
