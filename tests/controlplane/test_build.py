"""What is missing is built once, by one builder, and is there when it is complete or not at all."""

import asyncio
import re
import shutil
from types import SimpleNamespace

import pytest

from tests.controlplane.build import MODULE, PROGRAMS, BuildError, NoGoError, build, built, cache_folder, folder_name
from tests.controlplane.release import numbers, release
from tests.waiting import eventually

KUBECTL, SERVERS, _ = PROGRAMS

GO = """#!/bin/sh
[ "$1" = version ] && {{ echo "go version {version} linux/amd64"; exit; }}
echo "$@" >> "{folder}/builds"
echo "k8s.io/api/core/v1" >&2
{then}
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho Kubernetes v1.37.2\\n' > "$2" && /bin/chmod +x "$2"
"""


@pytest.fixture
def go(tmp_path):
    """A Go that takes note of what it builds, and the environment in which it is found."""

    def install(version="go1.99.0", then=":"):
        path = tmp_path / "bin" / "go"
        path.parent.mkdir(exist_ok=True)
        path.write_text(GO.format(version=version, folder=tmp_path, then=then))
        path.chmod(0o755)

    def builds():
        noted = tmp_path / "builds"
        return noted.read_text().splitlines() if noted.exists() else []

    install()
    environ = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    return SimpleNamespace(install=install, builds=builds, environ=environ, folder=tmp_path)


def test_all_staging_modules_are_those_of_the_release():
    replaced = re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert set(replaced) == {release().kubernetes.replace("v1.", "v0.", 1)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kubernetes v1.37.2", (1, 37, 2)),
        ("etcd Version: 3.7.0\nGit SHA: Not provided\nGo Version: go1.26.8", (3, 7, 0)),
        ("Client Version: v1.32.4-some.1\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("go version devel go1.28-0a1b2c linux/amd64", (1, 28)),
        ("Segmentation fault", ()),
    ],
)
def test_versions_are_read_from_what_programs_say(text, expected):
    assert numbers(text) == expected


def test_what_was_built_is_not_built_again(go):
    folders = {build(SERVERS, go.environ, print) for _ in range(3)}
    assert len(go.builds()) == len(folders) == 1
    assert {path.name for path in folders.pop().iterdir()} == {"program", *SERVERS.binaries}


def test_the_version_is_stamped_on_what_is_built(go):
    build(KUBECTL, go.environ, print)
    for package in ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version"):
        assert f"-X {package}.gitVersion={release().kubernetes}" in go.builds()[0]


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "servers/main.go"])
def test_what_it_is_made_from_decides_where_it_is_kept(changed, tmp_path):
    module = tmp_path / "go"
    shutil.copytree(MODULE, module)
    before = folder_name(SERVERS, module)
    with (module / changed).open("a") as file:
        file.write("\n// changed\n")
    assert folder_name(SERVERS, module) != before == folder_name(SERVERS)
    assert before.startswith(f"servers-{release().kubernetes}-etcd-{release().etcd}-")


async def test_of_two_builders_one_waits_for_the_other(go):
    go.install(then=f'while [ ! -e "{go.folder}/on" ]; do /bin/sleep 0.01; done')
    said = []
    async with asyncio.TaskGroup() as group:
        builders = [group.create_task(asyncio.to_thread(build, KUBECTL, go.environ, said.append)) for _ in range(2)]
        await eventually(lambda: any("another process is building" in line for line in said))
        (go.folder / "on").touch()
    assert len(go.builds()) == 1
    assert builders[0].result() == builders[1].result()


def test_a_failed_build_says_why_and_leaves_nothing_that_looks_built(go):
    go.install(then="echo 'main.go:7: undefined: server' >&2; exit 1")
    with pytest.raises(BuildError, match=r"status 1:\nmain\.go:7: undefined: server$"):
        build(KUBECTL, go.environ, print)
    assert built(KUBECTL, cache_folder(go.environ)) is None
    go.install()
    assert build(KUBECTL, go.environ, print) == built(KUBECTL, cache_folder(go.environ))


def test_a_build_that_was_killed_is_begun_anew(go):
    left = cache_folder(go.environ) / ".kubectl.partial"
    left.mkdir(parents=True)
    (left / "kubectl").write_text("half of it")
    assert (build(KUBECTL, go.environ, print) / "kubectl").read_text().startswith("#!")


def test_a_cache_that_can_not_be_written_is_named(go):
    (go.folder / "cache").write_text("a file where the folder should be")
    with pytest.raises(BuildError, match=r"can not be written: .*set XDG_CACHE_HOME"):
        build(KUBECTL, go.environ, print)


@pytest.mark.parametrize("version", ["go1.20.1", "gibberish"])
def test_a_go_that_is_too_old_is_no_go(go, version):
    go.install(version)
    with pytest.raises(NoGoError, match="too old or does not run"):
        build(KUBECTL, go.environ, print)


def test_the_cache_is_the_users():
    assert cache_folder({"XDG_CACHE_HOME": "/c", "HOME": "/h"}).as_posix() == "/c/lading/controlplane"
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/h"}).as_posix() == "/h/.cache/lading/controlplane"
