"""Files of a volume are given to the pod's group, and nothing that links point at."""

import os
import stat
from pathlib import Path

import pytest

from plugins import ownership
from plugins.errors import Failed

GID = 4321

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not tested here: giving files to a group needs root")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "volume"
    (top / "sub").mkdir(parents=True)
    (top / "sub" / "file").write_text("x")
    (top / "sub" / "file").chmod(0o600)
    (tmp_path / "outside").mkdir(mode=0o700)
    (tmp_path / "outside" / "file").write_text("x")
    (tmp_path / "outside" / "file").chmod(0o600)
    (top / "folder-link").symlink_to(tmp_path / "outside")
    (top / "file-link").symlink_to(tmp_path / "outside" / "file")
    return top


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_all_is_the_groups_and_directories_hand_it_on(tree: Path) -> None:
    ownership.give(tree, GID, "Always")
    for path in (tree, *tree.rglob("*")):
        assert path.lstat().st_gid == GID
    assert mode(tree / "sub" / "file") == 0o660
    assert mode(tree / "sub") & (stat.S_ISGID | 0o070) == stat.S_ISGID | 0o070


def test_what_links_point_at_is_left_alone(tree: Path, tmp_path: Path) -> None:
    ownership.give(tree, GID, "Always")
    for path in (tmp_path / "outside", tmp_path / "outside" / "file"):
        assert path.stat().st_gid != GID
    assert mode(tmp_path / "outside" / "file") == 0o600


def test_a_read_only_volume_is_made_readable_only(tree: Path) -> None:
    (tree / "sub" / "file").chmod(0o400)
    ownership.give(tree, GID, "Always", read_only=True)
    assert mode(tree / "sub" / "file") == 0o440


def test_on_root_mismatch_a_fitting_top_ends_it(tree: Path) -> None:
    ownership.give(tree, GID, "Always")
    (tree / "sub" / "new").write_text("x")
    os.chown(tree / "sub" / "new", -1, 0)
    ownership.give(tree, GID, "OnRootMismatch")
    assert (tree / "sub" / "new").stat().st_gid == 0
    ownership.give(tree, GID + 1, "OnRootMismatch")
    assert (tree / "sub" / "new").stat().st_gid == GID + 1


def test_a_walk_that_was_cut_short_is_made_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(name: str, folder: int, gid: int, mask: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ownership, "_change", cut)
        with pytest.raises(KeyboardInterrupt):
            ownership.give(tree, GID, "OnRootMismatch")
    ownership.give(tree, GID, "OnRootMismatch")
    assert (tree / "sub" / "file").stat().st_gid == GID


def test_a_top_that_is_a_link_is_refused(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="is a link"):
        ownership.give(tree / "folder-link", GID, "Always")
