"""Sets of paths are written as FieldsV1 and read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.managed.paths import from_fields, printed, to_fields

ITEM = 'k:{"name":"x"}'
CASES = [
    ({}, set()),
    ({"f:a": {}}, {("f:a",)}),
    ({"f:a": {"f:b": {}}}, {("f:a", "f:b")}),
    ({"f:a": {".": {}, "f:b": {}}}, {("f:a",), ("f:a", "f:b")}),
    (
        {"f:l": {'k:{"name":"x"}': {".": {}, "f:name": {}}}},
        {("f:l", 'k:{"name":"x"}'), ("f:l", 'k:{"name":"x"}', "f:name")},
    ),
]


@pytest.mark.parametrize(("fields", "paths"), CASES)
def test_fields_and_paths_say_the_same(fields, paths):
    assert from_fields(fields) == paths
    assert to_fields(paths) == fields


ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "i:3"])


@given(st.frozensets(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple)))
def test_any_set_comes_back(paths):
    assert from_fields(to_fields(paths)) == paths


PRINTED = [
    (("f:spec", "f:containers", 'k:{"name":"web"}', "f:image"), '.spec.containers[name="web"].image'),
    (("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'), '.ports[containerPort=80,protocol="TCP"]'),
    (("f:metadata", "f:finalizers", 'v:"x/y"'), '.metadata.finalizers[="x/y"]'),
    (("f:a", "i:1"), ".a[1]"),
]


@pytest.mark.parametrize(("path", "text"), PRINTED)
def test_a_path_is_printed_as_conflicts_print_it(path, text):
    assert printed(path) == text


@pytest.mark.parametrize("fields", [1, [], {"f:a": 1}, {"x:a": {}}])
def test_malformed_fields_are_refused(fields):
    with pytest.raises(ValueError, match="FieldsV1"):
        from_fields(fields)
