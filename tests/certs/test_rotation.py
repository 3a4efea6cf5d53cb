"""When what is renewed, and the law of rotation: whoever verifies trusts whatever is served, at every moment."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.rotation import (
    LIVES,
    Begin,
    Forget,
    Period,
    Prepare,
    Publish,
    Rest,
    Standing,
    Switch,
    decide,
    leaf_period,
    renewal_time,
    why_renew,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
YEAR = Period(START, START + 365 * DAY)
NEXT = Period(START + 183 * DAY, START + 548 * DAY)
READY = Standing(YEAR, NEXT, published=START + 183 * DAY)
SWITCHED = Standing(NEXT, previous=YEAR, switched=START + 244 * DAY)


@pytest.mark.parametrize(
    ("standing", "day", "trusted", "step"),
    [
        pytest.param(Standing(), 0, False, Begin, id="the first one is made at once"),
        pytest.param(Standing(YEAR), 100, True, Rest, id="young"),
        pytest.param(Standing(YEAR), 183, True, Prepare, id="half its life"),
        pytest.param(Standing(YEAR, NEXT), 184, False, Rest, id="not yet trusted by all"),
        pytest.param(Standing(YEAR, NEXT), 184, True, Publish, id="trusted by all"),
        pytest.param(READY, 200, True, Rest, id="published and not yet two thirds"),
        pytest.param(READY, 244, True, Switch, id="two thirds"),
        pytest.param(replace(READY, published=START + 244 * DAY), 244.5, True, Rest, id="published for half a day"),
        pytest.param(replace(READY, published=START + 244 * DAY), 245, True, Switch, id="published for a day"),
        pytest.param(SWITCHED, 251, True, Rest, id="its last certificate may still be served"),
        pytest.param(SWITCHED, 253, True, Forget, id="its last certificate has expired"),
        pytest.param(replace(SWITCHED, switched=None), 366, True, Forget, id="expired, switched at an unknown time"),
        pytest.param(Standing(YEAR), 366, True, Begin, id="expired with none to follow"),
        pytest.param(Standing(YEAR, NEXT), 366, False, Switch, id="expired: one that some trust beats none"),
        pytest.param(
            Standing(YEAR, replace(YEAR, end=START + DAY)), 300, True, Prepare, id="the following one expired"
        ),
        pytest.param(Standing(YEAR), -1, True, Begin, id="made by a clock that ran ahead"),
        pytest.param(Standing(YEAR, NEXT), 182, True, Rest, id="the following one is of a clock that ran ahead"),
    ],
)
def test_the_next_step(standing: Standing, day: float, trusted: bool, step: type) -> None:
    assert isinstance(decide(standing, START + day * DAY, trusted_by_all=trusted), step)


def test_a_hurried_rotation_waits_for_the_overlap_and_for_the_previous_authority() -> None:
    hurried = replace(LIVES, prepare_at=0.0, switch_at=0.0)
    published = Standing(YEAR, replace(NEXT, start=START + 9 * DAY), published=START + 10 * DAY)
    assert decide(published, START + 10.5 * DAY, trusted_by_all=True, lives=hurried) == Rest(START + 11 * DAY)
    again = replace(published, previous=YEAR, switched=START + 9 * DAY)
    assert decide(again, START + 12 * DAY, trusted_by_all=True, lives=hurried) == Rest(START + 17 * DAY)


def test_rest_ends_when_the_next_step_is_due() -> None:
    for standing, day in ((Standing(YEAR), 100), (READY, 200), (SWITCHED, 246)):
        step = decide(standing, START + day * DAY, trusted_by_all=True)
        assert isinstance(step, Rest)
        assert not isinstance(decide(standing, step.until, trusted_by_all=True), Rest)


@dataclass
class World:
    """Authorities by number, a client that may be a day behind, a server that renews its leaf when it is due."""

    standing: Standing
    signing: int = 0
    following: int | None = None
    previous: int | None = None
    made: int = 0

    def turn(self, now: datetime, client_trusts: set[int]) -> None:
        trusted_by_all = self.following in client_trusts
        match decide(self.standing, now, trusted_by_all=trusted_by_all):
            case Begin():
                self.made += 1
                self.signing, self.following, self.previous = self.made, None, None
                self.standing = Standing(Period(now, now + LIVES.authority))
            case Prepare():
                self.made += 1
                self.following = self.made
                self.standing = replace(self.standing, following=Period(now, now + LIVES.authority), published=None)
            case Publish():
                self.standing = replace(self.standing, published=now)
            case Switch():
                assert self.following is not None
                self.signing, self.following, self.previous = self.following, None, self.signing
                old = self.standing
                self.standing = Standing(old.following, previous=old.current, switched=now)
            case Forget():
                self.previous = None
                self.standing = replace(self.standing, previous=None, switched=None)
            case Rest():
                pass

    @property
    def bundle(self) -> set[int]:
        return {each for each in (self.signing, self.following, self.previous) if each is not None}


@given(st.integers(0, 2**32))
def test_at_every_moment_what_is_served_is_trusted_and_valid(seed: int) -> None:
    chance, now, world = Random(seed), START, World(Standing(Period(START, START + LIVES.authority)))
    client, told = world.bundle, now
    signer, leaf = world.signing, leaf_period(now, YEAR)
    while now < START + 800 * DAY:
        now += chance.uniform(0.01, 2) * DAY
        if now >= renewal_time(leaf, chance.uniform(-1, 1)):
            assert world.standing.current is not None
            signer, leaf = world.signing, leaf_period(now, world.standing.current)
        # The client's copy of the bundle may be late, though never by a whole day.
        if chance.random() < 0.5 or now - told > 0.5 * DAY:
            client, told = world.bundle, now
        assert signer in client
        assert leaf.start <= now < leaf.end
        world.turn(now, client)
    assert world.made > 2


@given(st.floats(min_value=-1, max_value=1))
def test_replicas_renew_between_two_fifths_and_three_fifths_of_a_life(jitter: float) -> None:
    week = Period(START, START + 7 * DAY)
    assert START + 2.8 * DAY <= renewal_time(week, jitter) <= START + 4.2 * DAY


@pytest.mark.parametrize(
    ("leaf", "names", "trusted", "day", "why"),
    [
        (None, (), False, 0, "there is none"),
        (Period(START, START + 7 * DAY), ("a",), True, 1, None),
        (Period(START, START + 7 * DAY), ("b",), True, 1, "other names"),
        (Period(START, START + 7 * DAY), ("a",), False, 1, "no trusted authority"),
        (Period(START, START + 7 * DAY), ("a",), True, 4, "old enough"),
        (Period(START, START + 7 * DAY), ("a",), True, -1, "not valid yet"),
    ],
)
def test_why_a_certificate_is_renewed(
    leaf: Period | None, names: tuple[str, ...], trusted: bool, day: int, why: str | None
) -> None:
    said = why_renew(leaf, names=names, wanted=("a",), trusted=trusted, now=START + day * DAY)
    assert said is None if why is None else why in (said or "")
