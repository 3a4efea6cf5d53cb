"""Services start in order, stop in reverse, and none may end unasked."""

import asyncio
import gc
import os
import signal

import pytest

from lading.component import announcement
from lading.run import Service, ServiceEndedError, run_process, run_services
from tests.waiting import eventually


def _recorded(name, diary):
    async def serve(ready):
        diary.append(f"start {name}")
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            diary.append(f"stop {name}")

    return Service(name, serve)


async def test_services_start_in_order_and_stop_in_reverse():
    diary, stop = [], asyncio.Event()

    async def last(ready):
        ready.set()
        stop.set()
        await asyncio.Event().wait()

    await run_services([_recorded("a", diary), _recorded("b", diary), Service("last", last)], stop)
    assert diary == ["start a", "start b", "stop b", "stop a"]


async def test_services_go_on_for_a_while_after_they_are_asked_to_stop():
    diary, stop = [], asyncio.Event()
    running = asyncio.create_task(run_services([_recorded("a", diary)], stop, linger_seconds=3600.0))
    await eventually(lambda: diary)
    stop.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert diary == ["start a"]
    running.cancel()
    await asyncio.wait([running])
    assert diary == ["start a", "stop a"]


async def test_a_service_waits_until_the_one_before_is_ready():
    diary, stop = [], asyncio.Event()

    async def never_ready(ready):
        stop.set()
        await asyncio.Event().wait()

    await run_services([Service("stuck", never_ready), _recorded("b", diary)], stop)
    assert diary == []


async def test_a_service_that_ends_unasked_ends_the_process_with_an_error():
    diary = []

    async def brief(ready):
        ready.set()

    with pytest.raises(ExceptionGroup) as caught:
        await run_services([_recorded("a", diary), Service("brief", brief)], asyncio.Event())
    assert caught.group_contains(ServiceEndedError, match="brief ended unasked")
    assert diary == ["start a", "stop a"]


def test_sigterm_is_a_clean_end():
    async def main(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()

    assert run_process(main) == 0


def test_an_expected_failure_is_one_line_and_status_one(capsys):
    async def main(stop):
        raise FileNotFoundError(2, "No such file", "kubeconfig")

    assert run_process(main) == 1
    assert capsys.readouterr().err == "lading: [Errno 2] No such file: 'kubeconfig'\n"


async def test_what_was_there_before_the_announcement_is_not_walked_again():
    told = asyncio.Event()
    before = gc.get_freeze_count()
    task = asyncio.create_task(announcement(lambda: asyncio.sleep(0), told.set).serve(asyncio.Event()))
    try:
        await told.wait()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
        task.cancel()
        await asyncio.wait([task])
