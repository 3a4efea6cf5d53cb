"""What a real API server answered once: objects with their table rows and protobuf form, and sequences of writes.

Recorded from Kubernetes 1.37.2 (see the file's `release`); the sandbox has to come to the same.
"""

import gzip
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from sandbox.kinds import Kind, Kinds

JSON = dict[str, Any]
_FOLDER = Path(__file__).with_name("recorded")
KINDS = Kinds()


@dataclass(frozen=True)
class Shown:
    """A kind's table."""

    kind: Kind
    columns: list[list[Any]]
    rows: list[JSON]


@cache
def _read(name: str) -> Any:
    return orjson.loads(gzip.decompress((_FOLDER / name).read_bytes()))


def kind_of(identity: list[str]) -> Kind:
    kind = KINDS.by_kind(*identity)
    assert kind is not None
    return kind


def shown() -> list[Shown]:
    return [Shown(kind_of(each["kind"]), each["columns"], each["rows"]) for each in _read("objects.json.gz")["kinds"]]


def recorded_at() -> datetime:
    return datetime.fromisoformat(_read("objects.json.gz")["time"])


def objects() -> list[tuple[Kind, JSON]]:
    return [(each.kind, row) for each in shown() for row in each.rows]


def write_sequences() -> list[JSON]:
    sequences: list[JSON] = _read("ownership.json.gz")
    return sequences
