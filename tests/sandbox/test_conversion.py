"""Events are the same objects in both of their groups; custom kinds differ in apiVersion alone."""

import pytest

from sandbox.conversion import from_stored, to_stored
from sandbox.kinds import Custom, Kind
from sandbox.schema.structural import root_schema
from tests.sandbox.records import kind_of, shown

CORE, NEW = kind_of(["v1", "Event"]), kind_of(["events.k8s.io/v1", "Event"])


def _events(kind):
    (found,) = [each for each in shown() if each.kind == kind]
    return [row["object"] for row in found.rows]


PAIRS = list(zip(_events(CORE), _events(NEW), strict=True))


@pytest.mark.parametrize(("core", "new"), PAIRS)
def test_an_event_is_shown_in_either_form_as_a_real_server_shows_it(core, new):
    assert from_stored(NEW, core) == new
    assert to_stored(NEW, new) == core
    assert from_stored(CORE, core) is core
    assert to_stored(CORE, core) is core


def test_the_versions_of_a_custom_kind_differ_in_their_name_alone():
    kind = Kind(
        *("d.io", "v1beta1", "ws", "w", "W"), namespaced=True, custom=Custom(root_schema({})), stored_version="d.io/v1"
    )
    obj = {"apiVersion": "d.io/v1beta1", "kind": "W", "spec": {"a": None}}
    stored = to_stored(kind, obj)
    assert stored == {**obj, "apiVersion": "d.io/v1"}
    assert from_stored(kind, stored) == obj
