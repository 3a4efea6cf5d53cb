"""The scheduling cases: clusters, a pod, and what every filter together must say of the nodes."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.meta import JSON

CASES = Path(__file__).parents[1] / "cases" / "scheduling"


@dataclass(frozen=True)
class Case:
    """One case; `expect` gives reasons as case-insensitive regular expressions."""

    name: str
    objects: list[JSON]
    pod: JSON
    nodes: list[str]
    expect: JSON

    def holds_for(self, result: dict[str, Any]) -> None:
        """Assert that an ExtenderFilterResult is the expected one."""
        if self.expect["error"] is not None:
            assert re.search(self.expect["error"], result["Error"], re.IGNORECASE), result
            return
        assert not result["Error"]
        assert set(result["NodeNames"]) == set(self.expect["feasible"])
        _agree(result["FailedNodes"], self.expect["failed"])
        _agree(result["FailedAndUnresolvableNodes"], self.expect["unresolvable"])


def _agree(reasons: dict[str, str], expected: dict[str, str]) -> None:
    assert reasons.keys() == expected.keys(), reasons
    for node, pattern in expected.items():
        assert re.search(pattern, reasons[node], re.IGNORECASE), f"{node}: {reasons[node]}"


def load() -> list[Case]:
    """All cases of all files."""
    return [
        Case(f"{path.stem}:{case['name']}", case["objects"], case["pod"], case["nodes"], case["expect"])
        for path in sorted(CASES.glob("*.json"))
        for case in json.loads(path.read_text())
    ]
