"""What holds for tables of any kind."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import ApiError
from sandbox.kinds import Column, Custom, Kind
from sandbox.schema.structural import root_schema
from sandbox.tables import partial_list, table
from sandbox.tables.cells import access_modes, first_few, human_duration, selector
from tests.sandbox.records import kind_of

NOW = datetime(2026, 1, 10, tzinfo=UTC)
CLASS = kind_of(["storage.k8s.io/v1", "StorageClass"])
DURATIONS = [
    (-5, "<invalid>"),
    (-1, "0s"),
    (0, "0s"),
    (119, "119s"),
    (120, "2m"),
    (125, "2m5s"),
    (600, "10m"),
    (10_799, "179m"),
    (10_800, "3h"),
    (3 * 3600 + 60, "3h1m"),
    (8 * 3600, "8h"),
    (47 * 3600, "47h"),
    (48 * 3600, "2d"),
    (49 * 3600, "2d1h"),
    (8 * 86_400, "8d"),
    (800 * 86_400, "2y70d"),
    (3650 * 86_400, "10y"),
]


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_an_age_has_two_or_three_figures(seconds, text):
    assert human_duration(timedelta(seconds=seconds)) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_an_age_never_tells_more_than_passed(seconds):
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "y": 86_400 * 365}
    text, told, number = human_duration(timedelta(seconds=seconds)), 0, ""
    for char in text:
        if char.isdigit():
            number += char
        else:
            told, number = told + int(number) * units[char], ""
    assert 0 <= seconds - told < 86_400 * 365


def test_access_modes_keep_their_order_and_show_once():
    assert access_modes(["ReadWriteMany", "ReadWriteOnce", "ReadWriteOnce"]) == "RWO,RWX"


def test_more_than_three_are_counted():
    assert first_few(["a", "b", "c", "d", "e"], "-") == "a,b,c + 2 more..."
    assert first_few([], "-") == "-"


SELECTORS = [
    (None, "<none>"),
    ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
    ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["b", "a"]}]}, "x notin (a,b)"),
    ({"matchExpressions": [{"key": "x", "operator": "Exists"}, {"key": "a", "operator": "DoesNotExist"}]}, "!a,x"),
]


@pytest.mark.parametrize(("value", "text"), SELECTORS)
def test_a_selector_is_written_as_kubectl_takes_it(value, text):
    assert selector(value) == text


def _class(name, created, *, default):
    annotations = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    metadata = {"name": name, "creationTimestamp": created, "annotations": annotations}
    return {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": metadata, "provisioner": "p"}


def test_of_several_default_classes_the_youngest_is_marked():
    classes = [
        _class("a", "2026-01-02T00:00:00Z", default=True),
        _class("b", "2026-01-03T00:00:00Z", default=True),
        _class("c", "2026-01-04T00:00:00Z", default=False),
    ]
    rows = table(CLASS, classes, metadata={}, now=NOW)["rows"]
    assert [row["cells"][0] for row in rows] == ["a", "b (default)", "c"]
    (row,) = table(CLASS, classes[:1], metadata={}, now=NOW, single=True)["rows"]
    assert row["cells"][0] == "a"


def test_a_row_carries_as_much_of_the_object_as_asked_for():
    obj = _class("a", "2026-01-02T00:00:00Z", default=True)
    included = {
        asked: table(CLASS, [obj], metadata={}, now=NOW, include_object=asked)["rows"][0]["object"]
        for asked in ("", "Metadata", "Object", "None")
    }
    assert included["Object"] == obj
    assert included["None"] is None
    assert included[""] == included["Metadata"]
    assert included["Metadata"]["kind"] == "PartialObjectMetadata"
    assert included["Metadata"]["metadata"] == obj["metadata"]
    with pytest.raises(ApiError, match="includeObject"):
        table(CLASS, [obj], metadata={}, now=NOW, include_object="All")


def test_headings_and_list_metadata_are_carried_where_wanted():
    metadata = {"resourceVersion": "5", "continue": "x", "remainingItemCount": 3, "selfLink": ""}
    made = table(CLASS, [], metadata=metadata, now=NOW, headings=False)
    assert made["columnDefinitions"] is None
    assert made["metadata"] == {"resourceVersion": "5", "continue": "x", "remainingItemCount": 3}


COLUMNS = (
    Column("Size", "string", ".spec.size"),
    Column("Count", "integer", ".spec.count", priority=1),
    Column("Ratio", "number", ".spec.ratio"),
    Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
    Column("On", "boolean", ".spec.on"),
    Column("Age", "date", ".metadata.creationTimestamp"),
    Column("Broken", "string", "spec["),
)


def _cells(**spec):
    kind = Kind("d.io", "v1", "ws", "w", "W", namespaced=True, custom=Custom(root_schema({}), COLUMNS))
    status = {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]}
    obj = {"metadata": {"name": "w", "creationTimestamp": "2026-01-09T00:00:00Z"}, "spec": spec, "status": status}
    return table(kind, [obj], metadata={}, now=NOW)["rows"][0]["cells"]


def test_a_custom_kind_shows_the_columns_of_its_definition():
    assert _cells(size="L", count=3, ratio=1, on=True) == ["w", "L", 3, 1.0, "True", True, "24h", None]


def test_a_value_that_does_not_fit_its_column_leaves_the_cell_empty():
    assert _cells(size={"a": 1}, count="x", ratio="x", on=1) == ["w", '{"a":1}', None, None, "True", None, "24h", None]


def test_partial_lists_hold_nothing_but_metadata():
    obj = _class("a", "2026-01-02T00:00:00Z", default=True)
    made = partial_list([obj], {"resourceVersion": "5"})
    assert made["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in made["items"]] == [{"kind", "apiVersion", "metadata"}]
