"""docs/sandbox.md names what is served, no more and no less."""

import re
from pathlib import Path

from sandbox.kinds import BUILT_IN

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()


def test_the_page_lists_every_kind_under_its_version():
    rows = re.findall(r"^\| ([\w./]*v1) \| (.*) \|$", PAGE, re.MULTILINE)
    listed = {version: kinds.split(", ") for version, kinds in rows}
    served: dict[str, list[str]] = {}
    for kind in BUILT_IN:
        served.setdefault(kind.api_version, []).append(kind.kind)
    assert listed == served


def test_the_page_says_what_definitions_can_not_do_here():
    assert "`x-kubernetes-validations` are accepted and not evaluated" in PAGE
    assert "The only `conversion.strategy` is `None`" in PAGE
