"""Rules, defaults and warnings: each case is stored, or refused, as a real API server recorded it."""

import asyncio

import pytest

from tests.contract.cases import CHANGED, GOOD, NEW
from tests.contract.verdicts import recorded, verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECORDED = recorded()


async def _judged(place, cases):
    verdicts = await asyncio.gather(*(verdict(place, each, f"c{number}") for number, each in enumerate(cases)))
    return {case.id: said for case, said in zip(cases, verdicts, strict=True)}


@pytest.mark.parametrize("good", sorted({case.good for case in NEW}))
async def test_a_new(good, place):
    cases = [case for case in NEW if case.good == good]
    assert await _judged(place, cases) == {case.id: RECORDED[case.id] for case in cases}


@pytest.mark.parametrize("good", sorted({case.good for case in CHANGED}))
async def test_a_changed(good, place):
    cases = [case for case in CHANGED if case.good == good]
    assert await _judged(place, cases) == {case.id: RECORDED[case.id] for case in cases}


async def test_every_good_object_is_tried_and_every_case_is_recorded():
    assert {case.good for case in (*NEW, *CHANGED)} == set(GOOD)
    assert {case.id for case in (*NEW, *CHANGED)} == set(RECORDED)
