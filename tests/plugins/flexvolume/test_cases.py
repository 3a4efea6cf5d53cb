"""The cases of the contract, played with real executables."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.flexvolume.replay import Replay

CASES = json.loads((Path(__file__).parents[2] / "cases" / "flexvolume.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    await Replay(case, tmp_path).run()
