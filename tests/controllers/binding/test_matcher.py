"""The matcher beside a naive one that reads the rules from the front to the back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.binding.free import FreeVolumes
from controllers.binding.matcher import Matcher
from controllers.binding.waiting import WaitingClaims
from model.volumes import VolumePhase
from storage.binding import by_access_modes, smallest_match
from tests.controllers.binding.objects import claim, renamed, volume
from tests.controllers.reachable import reachable

MODES = (("ReadWriteOnce",), ("ReadWriteOnce", "ReadOnlyMany"), ("ReadWriteMany",))
LABELS = ({}, {"disk": "ssd"}, {"disk": "hdd", "zone": "a"})
SELECTORS = (None, {"matchLabels": {"disk": "ssd"}}, {"matchExpressions": [{"key": "disk", "operator": "Exists"}]})

volumes = st.builds(
    lambda size, modes, labels, storage_class, phase, reserved, deleting: volume(
        "?",
        size,
        modes=modes,
        labels=labels,
        storage_class=storage_class,
        phase=phase,
        claim_ref=reserved,
        deleting=deleting,
    ),
    st.integers(1, 5),
    st.sampled_from(MODES),
    st.sampled_from(LABELS),
    st.sampled_from(("", "fast")),
    st.sampled_from((VolumePhase.AVAILABLE, VolumePhase.AVAILABLE, VolumePhase.RELEASED)),
    st.sampled_from((None, None, None, {"namespace": "ns", "name": "c"}, {"namespace": "ns", "name": "other"})),
    st.sampled_from((False, False, False, True)),
)
claims = st.builds(
    lambda size, modes, selector, storage_class: claim(
        "c", size, modes=modes, selector=selector, storage_class=storage_class
    ),
    st.integers(1, 5),
    st.sampled_from(MODES),
    st.sampled_from(SELECTORS),
    st.sampled_from(("", "fast")),
)


def naive(asking, there, *, delay_binding):
    """What the rules say: sets of modes in their order, within each the smallest."""
    by_size = sorted(there, key=lambda each: (each.capacity_nanos, each.name))
    for modes in by_access_modes(asking, {each.access_modes for each in there}):
        found = smallest_match(
            asking, [each for each in by_size if each.access_modes == modes], delay_binding=delay_binding
        )
        if found is not None:
            return found
    return None


def named(there):
    return [renamed(each, f"v{index}") for index, each in enumerate(there)]


@given(claims, st.lists(volumes, max_size=12), st.booleans())
@settings(deadline=None)
def test_a_choice_is_what_a_scan_would_choose(asking, there, delay_binding):
    there = named(there)
    free = FreeVolumes()
    for each in there:
        free.put(each.name, each)
    reserved = [each for each in there if each.spec.claim_ref is not None]
    chosen = free.choose(asking, reserved, delay_binding=delay_binding)
    expected = naive(asking, there, delay_binding=delay_binding)
    assert (chosen and chosen.name) == (expected and expected.name)


@given(st.lists(volumes, max_size=8), st.lists(volumes, max_size=8), claims)
@settings(deadline=None)
def test_what_changed_is_as_if_it_had_always_been_so(before, after, asking):
    free, fresh = FreeVolumes(), FreeVolumes()
    before, after = named(before), named(after)
    for each in before:
        free.put(each.name, each)
    for index, each in enumerate(before):
        changed = after[index] if index < len(after) else None
        free.put(each.name, renamed(changed, each.name, str(100 + index)) if changed else None)
    for each in after:
        fresh.put(each.name, each)
    for each in after[len(before) :]:
        free.put(each.name, each)
    one, other = (shelf.choose(asking, [], delay_binding=False) for shelf in (free, fresh))
    assert (one and one.name) == (other and other.name)
    assert len(free) == len(fresh)


@given(st.lists(claims, max_size=8), volumes.filter(lambda each: each.spec.claim_ref is None))
@settings(deadline=None)
def test_a_volume_goes_to_the_smallest_claim_that_it_suits(asking, offered):
    waiting = WaitingClaims()
    asking = [renamed(each, f"c{index}") for index, each in enumerate(asking)]
    for each in asking:
        waiting.put(each.key, each)
    there = renamed(offered, "v")
    suited = [each for each in asking if naive(each, [there], delay_binding=False) is not None]
    chosen = waiting.choose(there)
    assert (chosen is None) == (not suited)
    if chosen is not None:
        assert chosen.requested_nanos == min(each.requested_nanos for each in suited)


class Table:
    """Claims and volumes, and a matcher that reads them."""

    def __init__(self):
        self.claims, self.volumes, self.woken = {}, {}, []
        self.matcher = Matcher(
            claim=self.claims.get,
            volume=self.volumes.get,
            reserved=lambda key: [each for each in self.volumes.values() if _key(each) == key],
            delays=lambda _: False,
            wake=self.woken.append,
        )

    def put(self, *objects):
        for each in objects:
            if each.namespace:
                self.claims[each.key] = each
                self.matcher.see_claim(each.key)
            else:
                self.volumes[each.name] = each
                self.matcher.see_volume(each.name)

    def choices(self, *keys):
        chosen = {key: self.matcher.choice(self.claims[key]) for key in keys}
        return {key: volume and volume.name for key, volume in chosen.items()}


def _key(volume_):
    reference = volume_.spec.claim_ref
    return f"{reference.namespace}/{reference.name}" if reference else ""


@given(st.permutations(range(1, 7)), st.permutations(range(1, 7)), st.permutations(range(1, 7)))
@settings(deadline=None)
def test_in_whatever_order_they_come_a_perfect_match_is_found(sizes, shelf, turns):
    table = Table()
    table.put(*(claim(f"c{size}", size) for size in sizes), *(volume(f"v{size}", size) for size in shelf))
    chosen = table.choices(*(f"ns/c{size}" for size in turns))
    assert chosen == {f"ns/c{size}": f"v{size}" for size in range(1, 7)}


def test_volumes_that_come_later_go_to_who_can_use_them():
    table = Table()
    table.put(claim("small", 1), claim("large", 5))
    assert set(table.choices("ns/small", "ns/large").values()) == {None}
    for key in table.claims:
        table.matcher.done(key)
    table.put(volume("v9", 9), volume("v2", 2))
    table.matcher.offer()
    assert sorted(table.woken) == ["ns/large", "ns/small"]
    assert table.choices("ns/large", "ns/small") == {"ns/large": "v9", "ns/small": "v2"}


def test_what_is_promised_is_given_to_nobody_else_until_the_pass_has_ended():
    table = Table()
    table.put(volume("v", 1), claim("a", 1), claim("b", 1))
    assert table.choices("ns/a", "ns/b") == {"ns/a": "v", "ns/b": None}
    table.matcher.done("ns/b")
    table.matcher.done("ns/a")  # it did not bind after all
    table.matcher.offer()
    assert table.woken == ["ns/a"]


def test_a_reservation_beats_a_promise():
    table = Table()
    table.put(volume("v", 1), claim("a", 1))
    assert table.choices("ns/a") == {"ns/a": "v"}
    table.put(volume("mine", 7, claim_ref={"namespace": "ns", "name": "a", "uid": "uid-a"}))
    assert table.choices("ns/a") == {"ns/a": "mine"}


def test_claims_wait_a_moment_for_volumes_that_are_about_to_be_available():
    table = Table()
    coming = volume("v", 1, phase=VolumePhase.PENDING)
    table.put(coming, claim("a", 1))
    asking = table.claims["ns/a"]
    assert table.matcher.puts_off(asking)
    table.put(volume("v", 1, version="8"))
    table.matcher.offer()
    assert table.woken == ["ns/a"]
    assert not table.matcher.puts_off(asking), "once is enough"
    assert table.choices("ns/a") == {"ns/a": "v"}


@pytest.mark.parametrize("until", ["seen", "changed", "put off", "chosen", "worked on"])
def test_of_a_claim_that_is_gone_nothing_is_remembered(until):
    table = Table()
    table.put(volume("v", 1, phase=VolumePhase.PENDING))
    before = reachable(table.matcher)
    table.put(claim("a", 1))
    if until == "changed":
        table.put(claim("a", 1, storage_class="other"), claim("a", 1, volumeName="elsewhere"))
    if until in ("put off", "chosen", "worked on"):
        assert table.matcher.puts_off(table.claims["ns/a"])
    if until in ("chosen", "worked on"):
        assert table.choices("ns/a") == {"ns/a": None}
    if until == "worked on":
        table.matcher.done("ns/a")
    del table.claims["ns/a"]
    table.matcher.see_claim("ns/a")
    table.matcher.done("ns/a")
    assert reachable(table.matcher) == before


def test_a_choice_among_many_is_no_scan():
    """Counted, not timed: how many volumes are looked at."""
    free = FreeVolumes()
    looked_at = []

    class Counting(dict):
        def __getitem__(self, name):
            looked_at.append(name)
            return super().__getitem__(name)

    free._volumes = Counting()
    for index in range(5000):
        free.put(f"v{index}", volume(f"v{index}", 1 + index % 50, labels={"rack": str(index % 100)}))
    asked = free.choose(claim("c", 37), [], delay_binding=False)
    labelled = free.choose(claim("c", 2, selector={"matchLabels": {"rack": "1"}}), [], delay_binding=False)
    assert asked is not None
    assert labelled is not None
    assert len(looked_at) == 2
