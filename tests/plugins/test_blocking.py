"""Work that blocks is done in turn, and never blocks the loop."""

import asyncio
import threading
from functools import partial

import pytest

from plugins.blocking import Blocking
from plugins.errors import InDoubt


async def test_work_on_one_subject_is_done_in_turn_and_each_has_its_own_result() -> None:
    blocking, done = Blocking(30), []

    def work(number: int) -> int:
        done.append(number)
        return number

    asked = [blocking.run("one", "working on", partial(work, number)) for number in range(20)]
    assert await asyncio.gather(*asked) == list(range(20))
    assert sorted(done) == list(range(20))


async def test_work_on_another_subject_goes_on_beside_one_that_hangs() -> None:
    blocking, never = Blocking(30), threading.Event()
    hung = asyncio.create_task(blocking.run("hung", "working on", never.wait))
    assert await blocking.run("other", "working on", lambda: "done") == "done"
    never.set()
    assert await hung


async def test_a_fault_of_the_work_is_the_callers_and_holds_up_nothing() -> None:
    blocking = Blocking(30)

    def broken() -> None:
        raise OSError(5, "I/O error")

    for _ in range(2):
        with pytest.raises(OSError, match="I/O error"):
            await blocking.run("one", "working on", broken)


async def test_who_stops_waiting_does_not_stop_the_work() -> None:
    blocking, goes_on, ended = Blocking(0.05), threading.Event(), []
    with pytest.raises(InDoubt):
        await blocking.run("one", "working on", lambda: ended.append(goes_on.wait()))
    goes_on.set()
    blocking._deadline_seconds = 30
    assert await blocking.run("one", "working on", lambda: list(ended)) == [True]
