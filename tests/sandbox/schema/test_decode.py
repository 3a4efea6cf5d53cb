"""Bodies become what the real server's Go types make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.schema import DecodeError, decode, strict_message
from tests.sandbox.records import KINDS, kind_of, objects

POD = kind_of(["v1", "Pod"])
CLAIM = kind_of(["v1", "PersistentVolumeClaim"])
SECRET = kind_of(["v1", "Secret"])

WRONG = {
    "a text for a list": (
        POD,
        {"spec": {"containers": "a"}},
        "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
    ),
    "a number for a text, deep": (
        POD,
        {"spec": {"containers": [{"env": [{"name": 1}]}]}},
        "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.name of type string",
    ),
    "a number among labels": (
        POD,
        {"metadata": {"labels": {"a": 1}}},
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    ),
    "a fraction for a whole number": (
        POD,
        {"spec": {"activeDeadlineSeconds": 1.5}},
        "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.activeDeadlineSeconds of type int64",
    ),
    "a named type": (
        kind_of(["v1", "Namespace"]),
        {"spec": {"finalizers": [True]}},
        "json: cannot unmarshal bool into Go struct field NamespaceSpec.spec.finalizers of type v1.FinalizerName",
    ),
    "no object at all": (POD, [1], "json: cannot unmarshal array into Go value of type v1.Pod"),
    "a quantity that is none": (
        CLAIM,
        {"spec": {"resources": {"requests": {"storage": "1x"}}}},
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ),
    "a time that is none": (
        POD,
        {"metadata": {"creationTimestamp": "2026-13"}},
        'parsing time "2026-13" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "-"',
    ),
    "a day that no month has": (
        POD,
        {"metadata": {"creationTimestamp": "2026-02-31T00:00:00Z"}},
        'parsing time "2026-02-31T00:00:00Z": out of range',
    ),
    "text that is no base64": (SECRET, {"data": {"a": "a b$"}}, "illegal base64 data at input byte 1"),
}


@pytest.mark.parametrize(("kind", "body", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_type_is_refused_in_the_words_of_the_real_server(kind, body, message):
    with pytest.raises(DecodeError) as raised:
        decode(kind, body)
    assert str(raised.value) == message


@pytest.mark.parametrize(("kind", "row"), objects(), ids=lambda value: getattr(value, "kind", ""))
def test_what_the_real_server_shows_is_left_as_it_is(kind, row):
    decoded = decode(kind, row["object"])
    assert (decoded.value, decoded.unknown) == (row["object"], [])


def test_unknown_fields_are_dropped_and_named_where_they_stand():
    body = {"spec": {"foo": 1, "containers": [{"name": "a", "bar": {}}]}, "metadata": {"name": "p"}}
    decoded = decode(POD, body)
    assert decoded.unknown == ["spec.foo", "spec.containers[0].bar"]
    assert decoded.value["spec"] == {"containers": [{"name": "a", "resources": {}}]}
    assert strict_message(decoded.unknown) == (
        'strict decoding error: unknown field "spec.foo", unknown field "spec.containers[0].bar"'
    )


def test_nulls_and_empty_values_vanish_but_what_is_set_on_purpose_stays():
    body = {
        "metadata": {"name": "c", "labels": {}, "annotations": None},
        "spec": {"storageClassName": "", "volumeName": "", "accessModes": []},
    }
    assert decode(CLAIM, body).value == {
        "metadata": {"name": "c"},
        "spec": {"storageClassName": "", "resources": {}},
        "status": {},
    }


QUANTITIES = [("1024Mi", "1Gi"), (5, "5"), (0.5, "500m"), ("1e3", "1e3"), (" 1Gi ", "1Gi")]


@pytest.mark.parametrize(("given", "stored"), QUANTITIES)
def test_quantities_get_their_one_form(given, stored):
    body = {"spec": {"resources": {"requests": {"storage": given}}}}
    assert decode(CLAIM, body).value["spec"]["resources"]["requests"]["storage"] == stored


TIMES = [
    ("2026-01-02T03:04:05+01:00", "2026-01-02T02:04:05Z"),
    ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05Z"),
    ("2026-01-02T03:04:05.1234567891Z", "2026-01-02T03:04:05Z"),
]


@pytest.mark.parametrize(("given", "stored"), TIMES)
def test_times_become_utc_seconds(given, stored):
    assert decode(POD, {"metadata": {"creationTimestamp": given}}).value["metadata"]["creationTimestamp"] == stored


def test_an_object_nested_without_end_is_refused():
    node: dict[str, object] = {}
    for _ in range(500):
        node = {"properties": {"a": node}}
    definition = KINDS.by_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    body = {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": node}}]}}
    with pytest.raises(DecodeError, match="nested more than 200 levels deep"):
        decode(definition, body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "spec", "containers", "name", "volumes", "resources", "limits", "status"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_any_json_decodes_or_is_refused_and_decoding_again_changes_nothing(body):
    try:
        once = decode(POD, body).value
    except DecodeError:
        return
    assert decode(POD, once).value == once
