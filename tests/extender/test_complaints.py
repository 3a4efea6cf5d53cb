"""docs/complaints.md names tests; they exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "complaints.md"
NAMED = re.compile(r"`(?:(?P<file>[\w/]+\.py)::)?(?P<test>test_\w+)`")
PATH = re.compile(r"`(?P<path>tests/[\w/.]+?)(?:::\w+)?`")


def rows() -> list[tuple[str, str]]:
    """The complaint and the answer of each row, in order."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [tuple(line.strip("| ").split(" | ", 1)) for line in lines[1:]]


def named(answer: str) -> list[tuple[str, str]]:
    """File and test of each that is named; the file of one without is that of the one before it."""
    found, file = [], ""
    for match in NAMED.finditer(answer):
        file = match["file"] or file
        found.append((file, match["test"]))
    return found


@pytest.mark.parametrize(("complaint", "answer"), rows(), ids=lambda each: each[:40])
def test_a_complaint_is_answered_by_tests_that_exist_or_by_a_sentence(complaint: str, answer: str):
    assert re.search(r"\(.*#\d+.*\)", complaint), "where it was made"
    for file, test in named(answer):
        (path,) = [each for each in ROOT.glob("tests/**/*.py") if str(each).endswith(f"/{file}")]
        defined = [each.name for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if hasattr(each, "name")]
        assert test in defined
    for match in PATH.finditer(answer):
        assert (ROOT / match["path"]).exists()
    assert named(answer) or len(answer.split()) > 10
