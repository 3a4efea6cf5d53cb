"""Server-side apply: who owns what, who is asked, and what goes when nobody applies it any more."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import managed
from sandbox.errors import ApiError
from sandbox.managed.owners import LAST_APPLIED
from sandbox.schema import decode
from tests.sandbox.records import kind_of

MAP = kind_of(["v1", "ConfigMap"])
POD = kind_of(["v1", "Pod"])
START = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """One object, written by several."""

    def __init__(self, kind=MAP):
        self.kind, self.now, self.live = kind, START, None

    def _writer(self, manager, subresource=""):
        self.now += timedelta(minutes=1)
        return managed.Writer(self.kind, manager, self.now, subresource)

    def apply(self, manager, *, force=False, subresource="", **content):
        body = {"apiVersion": self.kind.api_version, "kind": self.kind.kind, "metadata": {"name": "x"}} | content
        writer = self._writer(manager, subresource)
        self.live = managed.apply(writer, self.live, body, force=force, defaults=lambda _: None)
        self.live["metadata"].setdefault("uid", "u")
        return self.live

    def update(self, manager, subresource="", **content):
        new = {**(self.live or {"metadata": {"name": "x", "uid": "u"}}), **content}
        new = decode(self.kind, {"apiVersion": self.kind.api_version, "kind": self.kind.kind, **new}).value
        writer = self._writer(manager, subresource)
        self.live = managed.track(
            self.kind, self.live, new, manager=writer.manager, now=writer.now, subresource=subresource
        )
        return self.live

    def owned(self, manager, operation="Apply"):
        entries = self.live["metadata"].get("managedFields", ())
        return next(
            (each["fieldsV1"] for each in entries if (each["manager"], each["operation"]) == (manager, operation)), None
        )


def test_what_is_applied_is_owned():
    world = World()
    world.apply("one", data={"a": "1"})
    assert world.owned("one") == {"f:data": {"f:a": {}}}


def test_applying_the_same_again_changes_nothing_not_even_the_time():
    world = World()
    once = world.apply("one", data={"a": "1"})
    assert world.apply("one", data={"a": "1"}) == once


def test_a_field_that_is_applied_no_more_goes():
    world = World()
    world.apply("one", data={"a": "1", "b": "2"})
    assert world.apply("one", data={"a": "1"})["data"] == {"a": "1"}


def test_a_field_that_another_applies_too_stays_with_the_other():
    world = World()
    world.apply("one", data={"a": "1", "b": "2"})
    world.apply("two", data={"b": "2"})
    assert world.apply("one", data={"a": "1"})["data"] == {"a": "1", "b": "2"}
    assert world.owned("one") == {"f:data": {"f:a": {}}}
    assert world.owned("two") == {"f:data": {"f:b": {}}}


def test_to_set_otherwise_what_another_owns_is_a_conflict():
    world = World()
    world.apply("one", data={"a": "1"})
    with pytest.raises(ApiError) as raised:
        world.apply("two", data={"a": "2"})
    assert raised.value.status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Apply failed with 1 conflict: conflict with "one": .data.a',
        "reason": "Conflict",
        "details": {
            "causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}]
        },
        "code": 409,
    }


def test_several_conflicts_are_listed_by_owner():
    world = World()
    world.apply("one", data={"a": "1"})
    world.update("two", data={"a": "1", "b": "2"})
    with pytest.raises(ApiError) as raised:
        world.apply("three", data={"a": "x", "b": "x"})
    assert raised.value.message == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\nconflicts with "two" using v1:\n- .data.b'
    )


def test_force_takes_the_field_over():
    world = World()
    world.apply("one", data={"a": "1"})
    assert world.apply("two", force=True, data={"a": "2"})["data"] == {"a": "2"}
    assert world.owned("one") is None
    assert world.owned("two") == {"f:data": {"f:a": {}}}


def test_an_update_takes_over_what_it_changes_and_no_more():
    world = World()
    world.apply("one", data={"a": "1", "b": "2"})
    world.update("two", data={"a": "changed", "b": "2"})
    assert world.owned("one") == {"f:data": {"f:b": {}}}
    assert world.owned("two", "Update") == {"f:data": {"f:a": {}}}


def test_an_update_that_changes_nothing_leaves_owners_and_times():
    world = World()
    before = world.update("one", data={"a": "1"})
    assert world.update("two", data={"a": "1"}) == before


def test_who_writes_status_owns_it_apart_and_the_rest_can_not_be_owned_there():
    world = World(POD)
    world.update("one", spec={"containers": [{"name": "a", "image": "b"}]}, status={"phase": "Running"})
    world.update("kubelet", "status", spec={"containers": []}, status={"phase": "Failed"})
    assert "f:status" not in world.owned("one", "Update")
    assert world.owned("kubelet", "Update") == {"f:status": {"f:phase": {}}}


def test_owners_forgotten_on_purpose_stay_forgotten_until_the_next_apply():
    world = World()
    world.update("one", data={"a": "1"})
    world.live = managed.track(
        MAP,
        world.live,
        {**world.live, "metadata": {"name": "x", "uid": "u", "managedFields": [{}]}},
        manager="two",
        now=START,
    )
    assert "managedFields" not in world.update("three", data={"a": "2"})["metadata"]
    world.apply("four", data={"b": "1"})
    assert world.owned("before-first-apply", "Update") == {"f:data": {".": {}, "f:a": {}}}


def test_malformed_owners_that_a_client_sends_are_replaced_by_the_known_ones():
    world = World()
    world.update("one", data={"a": "1"})
    sent = {
        **world.live,
        "data": {"a": "2"},
        "metadata": {**world.live["metadata"], "managedFields": [{"manager": "x"}]},
    }
    world.live = managed.track(MAP, world.live, sent, manager="one", now=START)
    assert world.owned("one", "Update") == {"f:data": {".": {}, "f:a": {}}}


def test_only_so_many_updaters_are_told_apart():
    world = World()
    for index in range(15):
        world.update(f"writer-{index:02}", data={**((world.live or {}).get("data") or {}), f"k{index}": "v"})
    managers = [entry["manager"] for entry in world.live["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert "ancient-changes" in managers


def test_kubectl_takes_over_its_own_client_side_fields_without_a_conflict():
    world = World()
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1"}}'
    metadata = {"name": "x", "uid": "u", "annotations": {LAST_APPLIED: last}}
    world.update("kubectl-client-side-apply", metadata=metadata, data={"a": "1"})
    assert world.apply("kubectl", data={"a": "2"})["data"] == {"a": "2"}
    assert '"a":"2"' in world.live["metadata"]["annotations"][LAST_APPLIED]


def test_kubectl_does_not_take_over_what_others_changed_meanwhile():
    world = World()
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1"}}'
    metadata = {"name": "x", "uid": "u", "annotations": {LAST_APPLIED: last}}
    world.update("kubectl-client-side-apply", metadata=metadata, data={"a": "1"})
    world.update("other", data={"a": "changed"})
    with pytest.raises(ApiError, match=r'conflict with "other" using v1: \.data\.a'):
        world.apply("kubectl", data={"a": "2"})


# An empty map is not stored, so that it is new each time it is applied: the properties below are about others.
DATA = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), min_size=1, max_size=4)
WRITES = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), DATA), min_size=1, max_size=6)


@given(WRITES)
def test_forced_applies_leave_exactly_what_somebody_applies(writes):
    world, applied = World(), {}
    for manager, data in writes:
        world.apply(manager, force=True, data=data)
        for other in applied.values():
            for key, value in data.items():
                if other.get(key, value) != value:
                    del other[key]
        applied[manager] = dict(data)
    assert (world.live.get("data") or {}).keys() == {key for each in applied.values() for key in each}
    for manager, data in applied.items():
        owned = (world.owned(manager) or {}).get("f:data", {})
        assert {element for element in owned if element != "."} == {f"f:{key}" for key in data}


@given(WRITES)
def test_each_apply_repeated_changes_nothing(writes):
    world = World()
    for manager, data in writes:
        once = world.apply(manager, force=True, data=data)
        assert world.apply(manager, force=True, data=data) == once
