"""Paths of definitions lead to what they name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jsonpath import JsonPathError, find, parse

VALUE = {
    "spec": {"size": 3, "dotted.name": "d"},
    "items": [{"name": "a", "on": True}, {"name": "b", "on": False}],
}
CASES = [
    (".spec.size", [3]),
    (".spec['size']", [3]),
    ('.spec["size"]', [3]),
    (r".spec.dotted\.name", ["d"]),
    (".items[0].name", ["a"]),
    (".items[-1].name", ["b"]),
    (".items[*].name", ["a", "b"]),
    ('.items[?(@.name=="b")].on', [False]),
    ('.items[?(@.name != "b")].name', ["a"]),
    (".items[?(@.on==true)].name", ["a"]),
    (".nothing.here", []),
    (".items[7]", []),
    (".spec[0]", []),
    ("", [VALUE]),
]


@pytest.mark.parametrize(("path", "found"), CASES)
def test_a_path_leads_to_what_it_names(path, found):
    assert find(path, VALUE) == found


@pytest.mark.parametrize("path", ["spec", ".spec[", ".spec..size", ".items[?(@.x]", "{.spec}", ".a b[x]"])
def test_what_is_no_simple_path_is_refused(path):
    with pytest.raises(JsonPathError):
        parse(path)


@given(st.text(alphabet=".[]*?@()='\"ab1\\", max_size=12))
def test_any_text_is_a_path_or_refused(path):
    try:
        assert isinstance(find(path, VALUE), list)
    except JsonPathError:
        assert path
