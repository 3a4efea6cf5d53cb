"""Reads the facts that `generate.py` cut out of a Kubernetes release, once, when first asked for."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import orjson

DATA = Path(__file__).with_name("kubernetes.json.gz")


@cache
def facts() -> dict[str, Any]:
    """`release`, `schemas` (OpenAPI v3 by definition), `go` (fields by struct) and `named` (other Go types)."""
    document: dict[str, Any] = orjson.loads(gzip.decompress(DATA.read_bytes()))
    return document
