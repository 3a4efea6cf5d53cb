"""tests/cases/admission: loading the cases, and comparing what came out with what they expect."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from model.meta import JSON, Object
from webhooks.check import READ

FOLDER = Path(__file__).parent.parent / "cases" / "admission"


@dataclass(frozen=True)
class Outcome:
    """What a client sees of one request: both phases together."""

    allowed: bool
    message: str
    result: JSON | None
    patch: list[JSON]
    warnings: list[str]


def view(raw: JSON) -> Object:
    return msgspec.convert(raw, READ[raw["apiVersion"], raw["kind"]].view)


def applied(stored: JSON, manifest: JSON) -> JSON:
    """What a client-side apply sends: the manifest's values over what is stored."""
    result = dict(stored)
    for key, value in manifest.items():
        mergeable = isinstance(value, dict) and isinstance(stored.get(key), dict)
        result[key] = applied(stored[key], value) if mergeable else value
    return result


def admission_cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}-{case['name']}")
        for path in sorted(FOLDER.glob("*.json"))
        for case in json.loads(path.read_text())
    ]


def compare(case: JSON, outcome: Outcome) -> None:
    expect = case["expect"]
    assert outcome.allowed is expect["allowed"], outcome.message
    if "message" in expect:
        assert re.search(expect["message"], outcome.message, re.IGNORECASE), outcome.message
    if "contains" in expect:
        assert_contains(outcome.result, expect["contains"])
    for path in expect.get("absentPaths", ()):
        assert not resolves(outcome.result, path), path
    if expect.get("unchanged"):
        assert (outcome.patch, outcome.result) == ([], case["object"])
    if "warning" in expect:
        assert any(re.search(expect["warning"], each, re.IGNORECASE) for each in outcome.warnings), outcome.warnings
    if expect.get("noWarnings"):
        assert outcome.warnings == []


def assert_contains(actual: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        for key, value in expected.items():
            assert key in actual, key
            assert_contains(actual[key], value)
    elif isinstance(expected, list):
        assert len(actual) == len(expected)
        for each, wanted in zip(actual, expected, strict=True):
            assert_contains(each, wanted)
    else:
        assert actual == expected


def resolves(value: Any, path: str) -> bool:
    """Whether the dotted path is there; keys may hold dots, so every prefix is tried."""
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        return head.isdigit() and int(head) < len(value) and (not rest or resolves(value[int(head)], rest))
    if not isinstance(value, dict):
        return False
    if path in value:
        return True
    cuts = [position for position, letter in enumerate(path) if letter == "."]
    return any(path[:cut] in value and resolves(value[path[:cut]], path[cut + 1 :]) for cut in cuts)
