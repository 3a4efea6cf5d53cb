"""Which release the tests are held against: what the module in `go/` requires, and nowhere else."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULE: Final = Path(__file__).parent / "go"


@dataclass(frozen=True)
class Release:
    """Versions as Go writes them: `v1.37.2`; that of Go without the `v`."""

    kubernetes: str
    etcd: str
    go: str


def release(module: Path = MODULE) -> Release:
    """The versions that the module requires; its `go` line is the oldest Go that builds it."""
    text = (module / "go.mod").read_text(encoding="utf-8")
    return Release(
        _version(r"^\tk8s\.io/kubernetes (\S+)$", text),
        _version(r"^\tgo\.etcd\.io/etcd/server/v3 (\S+)$", text),
        _version(r"^go (\S+)$", text),
    )


def numbers(version: str) -> tuple[int, ...]:
    """The first dotted number in a text, for comparison: `Kubernetes v1.37.2` is (1, 37, 2); none is ()."""
    found = re.search(r"\d+(\.\d+)+", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _version(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"go.mod has no line {pattern!r}")
    return found.group(1)
