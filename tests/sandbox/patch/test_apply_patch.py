"""A PATCH of each type, with the errors that a client sees."""

import contextlib
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ApiError
from sandbox.kinds import Custom, Kind
from sandbox.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, PATCH_TYPES, STRATEGIC_PATCH, PatchOptions, apply_patch
from sandbox.schema.structural import root_schema
from tests.sandbox.records import kind_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLAIM = kind_of(["v1", "PersistentVolumeClaim"])
CURRENT = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "c", "namespace": "n", "uid": "u", "labels": {"a": "1"}},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    "status": {"phase": "Pending"},
}
ANY_SPEC = {"properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
CUSTOM = Kind("demo.io", "v1", "gadgets", "gadget", "Gadget", namespaced=True, custom=Custom(root_schema(ANY_SPEC)))


def patch(content_type, body, *, kind=CLAIM, current=CURRENT, **options):
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    return apply_patch(kind, text, current, PatchOptions(content_type, "tester", NOW, **options))


LABELLED = [
    (JSON_PATCH, [{"op": "replace", "path": "/metadata/labels/a", "value": "2"}]),
    (MERGE_PATCH, {"metadata": {"labels": {"a": "2"}}}),
    (STRATEGIC_PATCH, {"metadata": {"labels": {"a": "2"}}}),
    (APPLY_PATCH, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"labels": {"a": "2"}}}),
    (APPLY_PATCH, b"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  labels: {a: '2'}\n"),
]


@pytest.mark.parametrize(("content_type", "body"), LABELLED)
def test_each_type_changes_a_label_and_nothing_else(content_type, body):
    # An object without owners belongs to nobody in particular: the first apply has to insist.
    patched = patch(content_type, body, force=True).value
    assert patched["metadata"]["labels"] == {"a": "2"}
    assert {**patched, "metadata": None} == {**CURRENT, "metadata": None}


REFUSED = {
    "no JSON": (MERGE_PATCH, b"{", 400, "error decoding patch"),
    "a merge patch that is a list": (MERGE_PATCH, [], 400, "the body must be an object"),
    "a JSON patch that is an object": (JSON_PATCH, {}, 400, "a list of operations"),
    "an operation without a path": (JSON_PATCH, [{"op": "add"}], 400, "'path'"),
    "an operation that is none": (JSON_PATCH, [{"op": "improve", "path": "/a"}], 400, "improve"),
    "a test that fails": (JSON_PATCH, [{"op": "test", "path": "/spec/volumeName", "value": "v"}], 422, "volumeName"),
    "a removal of nothing": (JSON_PATCH, [{"op": "remove", "path": "/spec/volumeName"}], 422, "non-existent"),
    "too many operations": (JSON_PATCH, [{"op": "test", "path": "/kind"}] * 10_001, 413, "10000"),
    "too many copies": (JSON_PATCH, [{"op": "copy", "from": "/spec", "path": "/spec/x"}] * 101, 413, "copy"),
    "the whole object replaced by a number": (JSON_PATCH, [{"op": "add", "path": "", "value": 1}], 422, "v1.Persist"),
    "another name": (MERGE_PATCH, {"metadata": {"name": "x"}}, 400, "does not match the name on the URL (c)"),
    "another namespace": (MERGE_PATCH, {"metadata": {"namespace": "x"}}, 400, "namespace sent on the request"),
    "another kind": (MERGE_PATCH, {"kind": "Pod"}, 422, "stays a v1 PersistentVolumeClaim"),
    "no metadata": (MERGE_PATCH, {"metadata": None}, 400, "does not match the name on the URL (c)"),
    "a wrong type": (MERGE_PATCH, {"metadata": {"labels": "x"}}, 422, "cannot unmarshal string"),
    "an unknown field": (MERGE_PATCH, {"spec": {"foo": 1}}, 422, 'strict decoding error: unknown field "spec.foo"'),
    "the same key twice": (MERGE_PATCH, b'{"spec": {"volumeName": "a", "volumeName": "b"}}', 422, "duplicate field"),
    "an unknown member of an operation": (
        JSON_PATCH,
        [{"op": "test", "path": "/kind", "value": "PersistentVolumeClaim", "why": 1}],
        422,
        'json patch unknown field "[0].why"',
    ),
    "a strategic patch is quoted as Go prints it": (
        STRATEGIC_PATCH,
        {"spec": {"foo": [1, None, True]}},
        422,
        "map[spec:map[foo:[1 <nil> true]]]",
    ),
    "YAML that is none": (APPLY_PATCH, b"a: [", 400, "error decoding patch"),
    "YAML with references": (APPLY_PATCH, b"a: &x [1]\nb: *x", 400, "aliases are not allowed"),
    "an apply of another kind": (APPLY_PATCH, {"apiVersion": "v1", "kind": "Pod"}, 400, "invalid object type"),
    "an apply with owners": (
        APPLY_PATCH,
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"managedFields": []}},
        400,
        "metadata.managedFields must be nil",
    ),
    "an apply of an unknown field": (
        APPLY_PATCH,
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": {"foo": 1}},
        500,
        "failed to create typed patch object (/c; /v1, Kind=PersistentVolumeClaim): .spec.foo: field not declared",
    ),
}


@pytest.mark.parametrize(("content_type", "body", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_a_patch_that_can_not_be_carried_out_says_why(content_type, body, code, words):
    with pytest.raises(ApiError) as raised:
        patch(content_type, body, validation="Strict")
    assert raised.value.code == code
    assert words in raised.value.message


@pytest.mark.parametrize("content_type", [MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])
def test_what_is_nested_without_end_is_refused(content_type):
    with pytest.raises(ApiError, match="nested more than 200 levels deep"):
        patch(content_type, b'{"spec":' * 900 + b"1" + b"}" * 900)


def test_unknown_fields_are_warned_of_unless_the_client_ignores_them():
    body = {"spec": {"foo": 1}}
    assert patch(MERGE_PATCH, body).warnings == ['unknown field "spec.foo"']
    assert patch(MERGE_PATCH, body, validation="Ignore").warnings == []


def test_a_custom_kind_takes_no_strategic_patch():
    with pytest.raises(ApiError) as raised:
        patch(STRATEGIC_PATCH, {}, kind=CUSTOM)
    assert raised.value.code == 415
    assert raised.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


def test_replace_sets_and_test_finds_null_what_is_not_there_as_the_real_server_does():
    operations = [
        {"op": "test", "path": "/spec/volumeName", "value": None},
        {"op": "replace", "path": "/spec/volumeName", "value": "v"},
    ]
    assert patch(JSON_PATCH, operations).value["spec"]["volumeName"] == "v"


def test_defaults_are_set_on_what_a_patch_made():
    def defaults(obj):
        obj["spec"].setdefault("volumeMode", "Filesystem")

    patched = patch(MERGE_PATCH, {"metadata": {"labels": {"b": "2"}}}, defaults=defaults).value
    assert patched["spec"]["volumeMode"] == "Filesystem"


@given(st.sampled_from(PATCH_TYPES), st.binary(max_size=60))
def test_any_bytes_are_answered_with_an_object_or_an_api_error(content_type, body):
    with contextlib.suppress(ApiError):
        assert patch(content_type, body).value["kind"] == "PersistentVolumeClaim"
