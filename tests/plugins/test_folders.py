"""Whatever stands in a volume, removing it removes just that."""

import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins import folders
from plugins.errors import Failed, StillInUse

NAMES = st.sampled_from(["a", "b", ".hidden", "ä b", "-rf", "*", ".removed-00"])
ENTRIES = st.recursive(
    st.sampled_from(["file", "link to folder", "link to file", "dangling", "link to parent"]),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def plant(path: Path, what: object, precious: Path) -> None:
    """Put something at a path."""
    match what:
        case dict():
            path.mkdir()
            for name, inner in what.items():
                plant(path / name, inner, precious)
        case "file":
            path.write_text("x")
        case "link to folder":
            path.symlink_to(precious)
        case "link to file":
            path.symlink_to(precious / "file")
        case "link to parent":
            path.symlink_to(precious.parent)
        case _:
            path.symlink_to("/nowhere/at/all")


@settings(max_examples=60, deadline=None)
@given(tree=st.dictionaries(NAMES, ENTRIES, max_size=5), way=st.sampled_from(["volume", "deep/er/volume"]))
def test_a_tree_goes_with_all_in_it_and_nothing_else(tree: dict[str, object], way: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        precious, root = top / "precious", top / "root"
        precious.mkdir()
        (precious / "file").write_text("precious")
        volume = root / way
        volume.parent.mkdir(parents=True)
        (volume.parent / "sibling").mkdir()
        plant(volume, tree, precious)
        for _ in range(2):
            folders.remove(root, PurePosixPath(way))
            assert not volume.exists()
        assert (precious / "file").read_text() == "precious"
        assert (volume.parent / "sibling").is_dir()


def test_what_is_no_directory_goes_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "file").write_text("x")
    for name in ("link", "file"):
        folders.remove(tmp_path, PurePosixPath(name))
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_emptying_keeps_the_directory(tmp_path: Path) -> None:
    (tmp_path / "volume" / "sub").mkdir(parents=True)
    (tmp_path / "volume" / "sub" / "file").write_text("x")
    folders.empty(tmp_path, PurePosixPath("volume"))
    assert list((tmp_path / "volume").iterdir()) == []


def test_a_root_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "real" / "volume").mkdir(parents=True)
    (tmp_path / "root").symlink_to(tmp_path / "real")
    with pytest.raises(Failed):
        folders.remove(tmp_path / "root", PurePosixPath("volume"))
    with pytest.raises(Failed):
        folders.make(tmp_path / "root", "other", 0o750)
    assert (tmp_path / "real" / "volume").is_dir()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/base/a", "a"),
        ("/base/a/b", "a/b"),
        ("/base//a/./b/", "a/b"),
        ("/base", None),
        ("/base/", None),
        ("/base/..", None),
        ("/base/a/../../etc", None),
        ("/baseless/a", None),
        ("root/a", None),
        ("/base/a\0", None),
        ("", None),
    ],
)
def test_what_is_beneath_a_root(path: str, found: str | None) -> None:
    way = folders.beneath(path, Path("/base"))
    assert (None if way is None else str(way)) == found


@pytest.mark.parametrize(
    ("number", "kind"), [(28, "Exhausted"), (122, "Exhausted"), (16, "StillInUse"), (13, "Failed")]
)
def test_what_the_system_answers_tells_how_it_ended(number: int, kind: str) -> None:
    with pytest.raises(Failed) as caught, folders.explained("do it"):
        raise OSError(number, "the system's words", "/path")
    assert type(caught.value).__name__ == kind
    assert "can not do it: the system's words" in str(caught.value)


def test_errors_of_ours_stay_as_they_are() -> None:
    with pytest.raises(StillInUse, match="as it was"), folders.explained("do it"):
        raise StillInUse("as it was")
