"""The data cut out of a release agrees with an independent copy of the same schemas."""

from pathlib import Path

import kubernetes_validate
import orjson
import pytest

from sandbox.schema.source import DATA, facts

_COPY = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.37.0-local" / "_definitions.json"
_MERGING = (
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
)


@pytest.fixture(scope="module")
def copy():
    return orjson.loads(_COPY.read_bytes())["$defs"]


def test_every_definition_has_the_same_fields_as_the_copy(copy):
    ours = {name: set(schema.get("properties", {})) for name, schema in facts()["schemas"].items()}
    theirs = {name: set(copy[name].get("properties", {})) for name in ours}
    assert ours == theirs


def test_every_field_merges_as_the_copy_says(copy):
    def merging(schemas):
        return {
            (name, field, key): node[key]
            for name in facts()["schemas"]
            for field, node in schemas[name].get("properties", {}).items()
            for key in _MERGING
            if key in node
        }

    assert merging(facts()["schemas"]) == merging(copy)


def test_the_go_types_name_every_field_that_the_schemas_name():
    go = facts()["go"]

    def names(definition):
        for _, name, go_type, _ in go[definition]:
            yield from [name] if name else names(go_type.lstrip("*"))

    for definition in go.keys() & facts()["schemas"].keys():
        fields = set(facts()["schemas"][definition].get("properties", {})) - {"apiVersion", "kind"}
        assert set(names(definition)) - {"apiVersion", "kind"} == fields, definition


def test_the_data_is_small_and_has_no_prose():
    assert DATA.stat().st_size < 150_000
    assert "description" not in facts()["schemas"]["io.k8s.api.core.v1.Pod"]
