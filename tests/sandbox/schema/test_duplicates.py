"""Keys that a body gives twice are found, though the parsed object does not show them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.schema import duplicate_fields

CASES = [
    (b'{"a": 1, "a": 2}', ["a"]),
    (b'{"spec": {"b": 1, "c": 2, "b": 3}}', ["spec.b"]),
    (b'{"items": [{"x": 1}, {"x": 1, "x": 1, "x": 1}]}', ["items[1].x"]),
    (b'{"a": {"b": 1}, "a": {"b": 1}}', ["a"]),
    (b'  {"a": 1}  ', []),
    (b"[1, 2]", []),
]


@pytest.mark.parametrize(("text", "paths"), CASES)
def test_a_key_given_twice_is_named(text, paths):
    assert duplicate_fields(text, orjson.loads(text)) == paths


@given(st.recursive(st.booleans() | st.text(max_size=3), lambda inner: st.dictionaries(st.text(max_size=2), inner)))
def test_what_was_written_from_an_object_has_none(value):
    text = orjson.dumps(value)
    assert duplicate_fields(text, orjson.loads(text)) == []
