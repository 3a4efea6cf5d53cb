"""Custom objects are pruned, defaulted and judged by the schema of their definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.crds.formats import matches_format
from sandbox.crds.values import check_value
from sandbox.schema import DecodeError
from sandbox.schema.structural import decode_custom, root_schema

FREE = {"x-kubernetes-preserve-unknown-fields": True}
SPEC = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "string", "enum": ["S", "M"], "default": "M"},
        "count": {"type": "integer", "minimum": 0, "maximum": 5, "default": 1},
        "name": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "x-kubernetes-list-type": "set"},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["id"],
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {"id": {"type": "string"}, "n": {"type": "integer", "nullable": True, "minimum": 0}},
            },
        },
        "port": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", **FREE},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "when": {"type": "string", "format": "date-time"},
        "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
        "flag": {"type": "boolean"},
        "object": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "choice": {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
    },
}
ROOT = {"type": "object", "required": ["spec"], "properties": {"spec": SPEC, "status": {"type": "object"}}}
SCHEMA = root_schema(ROOT)
META = {"apiVersion": "d.io/v1", "kind": "W", "metadata": {"name": "w"}}


def read(spec, **more):
    return decode_custom(
        SCHEMA, {"apiVersion": "d.io/v1", "kind": "W", "metadata": {"name": "w"}, "spec": spec, **more}
    )


def objections(spec, old=None):
    value, before = read(spec).value, [read(old).value] if old is not None else []
    return [error.message for error in check_value(SCHEMA.rules, value, "", *before)]


REFUSED = {
    "not one of": ({"size": "Q"}, 'spec.size: Unsupported value: "Q": supported values: "S", "M"'),
    "another type": (
        {"flag": 1},
        'spec.flag: Invalid value: "integer": spec.flag in body must be of type boolean: "integer"',
    ),
    "too large": (
        {"count": 9},
        "spec.count: Invalid value: 9: spec.count in body should be less than or equal to 5",
    ),
    "not large enough": ({"ratio": 0}, "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0"),
    "another pattern": (
        {"name": "A1"},
        "spec.name: Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'",
    ),
    "too short": ({"name": "a"}, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'),
    "too long": ({"name": "abcde"}, "spec.name: Too long: may not be more than 4 bytes"),
    "too many": ({"tags": ["a", "b", "c"]}, "spec.tags: Too many: 3: must have at most 2 items"),
    "twice in a set": ({"tags": ["a", "a"]}, 'spec.tags[1]: Duplicate value: "a"'),
    "twice in a map": ({"parts": [{"id": "a"}, {"id": "a"}]}, 'spec.parts[1]: Duplicate value: {"id":"a"}'),
    "nothing where something must be": ({"parts": [{"n": 1}]}, "spec.parts[0].id: Required value"),
    "neither number nor text": (
        {"port": 1.5},
        'spec.port: Invalid value: "number": spec.port in body must be of type integer,string: "number"',
    ),
    "a label that is none": (
        {"labels": {"a": 1}},
        'spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
    ),
    "no time": (
        {"when": "today"},
        'spec.when: Invalid value: "today": spec.when in body must be of type date-time: "today"',
    ),
    "an object of no kind": ({"object": {"apiVersion": "v1"}}, "spec.object.kind: Required value"),
    "no choice": (
        {"choice": {}},
        'spec.choice: Invalid value: "": "spec.choice" must validate one and only one schema (oneOf). Found none valid',
    ),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=REFUSED)
def test_a_value_that_does_not_fit_is_refused_in_the_words_of_the_real_server(spec, message):
    assert objections(spec) == [message]


def test_a_value_that_fits_has_no_objections():
    good = {
        "size": "S",
        "count": 2.0,
        "name": "abc",
        "tags": ["a"],
        "parts": [{"id": "a", "n": None}],
        "port": "http",
        "free": {"x": [1]},
        "labels": {"a": "b"},
        "when": "2026-01-02T03:04:05Z",
        "choice": {"a": "x"},
    }
    assert objections(good) == []


def test_what_an_update_leaves_as_it_was_is_not_judged_again():
    old = {"size": "Q", "parts": [{"id": "a", "n": -1}]}
    assert objections(old | {"count": 3}, old) == []
    assert objections(old | {"parts": [{"id": "b"}, {"id": "a", "n": -1}]}, old) == []
    assert len(objections(old | {"parts": [{"id": "a", "n": -2}]}, old)) == 1


def test_unknown_fields_are_pruned_and_named():
    decoded = read({"size": "S", "foo": 1, "free": {"kept": 1}, "parts": [{"id": "a", "bar": 2}]}, more=1)
    assert decoded.unknown == ["more", "spec.foo", "spec.parts[0].bar"]
    assert decoded.value["spec"] == {"size": "S", "count": 1, "free": {"kept": 1}, "parts": [{"id": "a"}]}


def test_defaults_fill_what_is_missing_or_null():
    assert read({"size": None, "name": None}).value["spec"] == {"size": "M", "count": 1}


def test_metadata_is_read_as_that_of_any_object():
    decoded = decode_custom(SCHEMA, {"metadata": {"name": "w", "foo": 1, "labels": {}}, "spec": {}})
    assert decoded.value["metadata"] == {"name": "w"}
    assert decoded.unknown == ["metadata.foo"]
    with pytest.raises(DecodeError, match="ObjectMeta"):
        decode_custom(SCHEMA, {"metadata": {"name": 1}})


FORMATS = [
    ("date-time", "2026-01-02T03:04:05.123Z", True),
    ("date-time", "2026-02-30T03:04:05Z", False),
    ("date", "2026-01-02", True),
    ("date", "2026-1-2", False),
    ("duration", "1h30m", True),
    ("duration", "soon", False),
    ("ipv4", "10.0.0.1", True),
    ("ipv4", "10.0.0", False),
    ("ipv6", "::1", True),
    ("cidr", "10.0.0.0/8", True),
    ("cidr", "10.0.0.0", False),
    ("uuid", "12345678-1234-1234-1234-123456789012", True),
    ("uuid", "1234", False),
    ("byte", "aGk=", True),
    ("byte", "!", False),
    ("unheard-of", "anything", True),
]


@pytest.mark.parametrize(("name", "text", "fits"), FORMATS)
def test_a_format_is_checked_where_it_is_known(name, text, fits):
    assert matches_format(name, text) is fits


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SPEC["properties"], "id", "n", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_value_is_judged_and_shaped_once_and_for_all(spec):
    once = read(spec).value
    assert decode_custom(SCHEMA, once).value == once
    assert check_value(SCHEMA.rules, once, "", once) == []
    assert isinstance(check_value(SCHEMA.rules, once), list)
