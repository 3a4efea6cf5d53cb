"""What an informer shows and tells, whatever server and network do. Time is virtual."""

import asyncio
from contextlib import asynccontextmanager
from random import Random

import pytest

from kube.cache import Cache
from kube.caches import Caches
from kube.errors import Forbidden, Gone, NotFound, ServerError, Unreachable
from kube.reflector import Timing
from model.resources import CLAIMS, NODES, PODS
from tests.kube.history import Fault, History
from tests.kube.told import Log
from tests.kube.virtual import run


@asynccontextmanager
async def following(history, **options):
    cache = Cache(history, NODES, clock=asyncio.get_running_loop().time, random=Random(1), **options)
    log = Log()
    cache.subscribe(log)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cache.run())
        yield cache, log.lines
        running.cancel()


def with_nodes(*names, **options):
    history = History(**options)
    for name in names:
        history.put(name)
    return history


@pytest.mark.parametrize("streaming", ["yes", "refuses", "ignores"])
def test_it_lists_and_follows_whether_or_not_the_server_streams_lists(streaming):
    async def main():
        history = with_nodes("n1", "n2", streaming=streaming)
        async with following(history) as (cache, told):
            await cache.wait_synced()
            history.put("n1")
            history.delete("n2")
            await asyncio.sleep(5)
            assert sorted(cache.keys()) == ["n1"]
            assert told == [(None, "n1@2"), (None, "n2@3"), ("n1@2", "n1@4"), ("n2@3", None)]
            first = history.opened[:2]
        assert first == (["streamed list"] if streaming == "yes" else ["streamed list", "list"])

    run(main())


def test_a_server_that_does_not_stream_lists_is_asked_only_once():
    async def main():
        history = with_nodes("n1", streaming="refuses")
        async with following(history) as (_cache, _):
            await asyncio.sleep(1)
            history.expire()
            await asyncio.sleep(60)
        assert history.opened.count("streamed list") == 1
        assert history.opened.count("list") == 2

    run(main())


def test_without_streaming_it_lists_in_pages():
    async def main():
        history = with_nodes("n1")
        async with following(history, streaming=False) as (cache, _):
            await cache.wait_synced()
        assert history.opened[0] == "list"

    run(main())


def test_a_clean_end_goes_on_from_the_last_version_without_a_list():
    async def main():
        history = with_nodes("n1")
        async with following(history) as (_cache, told):
            await asyncio.sleep(10)
            history.put("n1")
            await asyncio.sleep(1)
            history.end()
            await asyncio.sleep(1)
            assert history.opened == ["streamed list", "watch 3"]
            assert len(told) == 2

    run(main())


def test_a_cut_goes_on_from_the_last_version_and_misses_nothing():
    async def main():
        history = with_nodes("n1")
        async with following(history) as (_cache, told):
            await asyncio.sleep(10)
            history.cut()
            history.put("n2")
            history.delete("n1")
            await asyncio.sleep(10)
            assert told[1:] == [(None, "n2@3"), ("n1@2", None)]
        assert history.opened == ["streamed list", "watch 2"]

    run(main())


def test_a_deletion_shown_at_an_older_version_does_not_set_the_watch_back():
    async def main():
        history = with_nodes("n1", "n2", deletes_count=False)
        async with following(history) as (_cache, told):
            await asyncio.sleep(1)
            history.put("n2")
            history.delete("n1")
            await asyncio.sleep(1)
            history.end()
            await asyncio.sleep(1)
        assert history.opened == ["streamed list", "watch 4"]
        assert told[2:] == [("n2@3", "n2@4"), ("n1@2", None)]

    run(main())


def test_bookmarks_keep_a_quiet_watch_within_the_history():
    async def main():
        history = with_nodes("n1")
        async with following(history) as (_cache, told):
            await asyncio.sleep(1)
            history.others(writes=100)
            await asyncio.sleep(70)
            history.compact()
            history.end()
            await asyncio.sleep(1)
        assert history.opened == ["streamed list", "watch 102"]
        assert told == [(None, "n1@2")]

    run(main())


@pytest.mark.parametrize("how", ["refused", "told in the stream"])
def test_gone_lists_again_and_tells_the_difference_only(how):
    async def main():
        history = with_nodes("same", "changed", "deleted", "recreated")
        async with following(history) as (_cache, told):
            await asyncio.sleep(10)
            told.clear()
            history.cut()
            history.put("changed")
            history.put("new")
            history.delete("deleted")
            history.delete("recreated")
            history.put("recreated")
            if how == "refused":
                history.compact()
            else:
                history.faults.append(Fault(error=Gone(410, "Expired")))
            await asyncio.sleep(30)
            assert set(told) == {
                ("changed@3", "changed@6"),
                (None, "new@7"),
                ("deleted@4", None),
                ("recreated@5", None),
                (None, "recreated@10"),
            }
            assert len(told) == 5
            assert told.index(("recreated@5", None)) < told.index((None, "recreated@10"))

    run(main())


@pytest.mark.parametrize("error", [Unreachable("down"), Forbidden(403), ServerError(500), NotFound(404)])
def test_no_fault_ends_it_and_it_backs_off(error):
    async def main():
        history = with_nodes("n1")
        history.faults.extend([Fault(error=error)] * 20)
        async with following(history) as (cache, _):
            await asyncio.sleep(60)
            assert not cache.has_synced
            assert 4 <= len(history.opened) <= 10
            assert str(error) in cache.complaint()
            await asyncio.sleep(1000)
            assert cache.complaint() is None

    run(main())


def test_a_server_that_ends_every_watch_at_once_is_not_hammered():
    async def main():
        history = with_nodes("n1")
        async with following(history) as (cache, _):
            await cache.wait_synced()
            history.faults.extend([Fault()] * 1000)
            history.end()
            await asyncio.sleep(600)
            assert len(history.opened) < 40

    run(main())


def test_the_back_off_starts_anew_after_a_healthy_time():
    async def main():
        history = with_nodes("n1")
        history.faults.extend([Fault(error=Unreachable("down"))] * 6)
        async with following(history) as (cache, _):
            await cache.wait_synced()
            await asyncio.sleep(10)
            history.cut()
            await asyncio.sleep(1.5)
            assert history.opened[-1] == "watch 2"
            await asyncio.sleep(0.5)
            history.put("n1")
            await asyncio.sleep(0.1)
            assert cache.get("n1").metadata.resource_version == "3"

    run(main())


def test_its_age_grows_while_the_server_is_silent():
    async def main():
        history = with_nodes("n1", bookmark_seconds=10_000.0)
        async with following(history) as (cache, _):
            assert cache.age_seconds == float("inf")
            assert cache.complaint() == "nodes: not synced"
            await cache.wait_synced()
            assert cache.complaint() is None
            await asyncio.sleep(200)
            assert cache.age_seconds == pytest.approx(200, abs=1)
            assert cache.complaint() == "nodes: no word from the API server for 200 s"

    run(main())


def test_metrics_say_how_many_and_how_old():
    async def main():
        history = with_nodes("n1", "n2")
        async with following(history) as (cache, _):
            await cache.wait_synced()
            value = history.metrics.registry.get_sample_value
            assert value("lading_cache_objects", {"resource": "nodes"}) == 2
            assert value("lading_cache_changes_total", {"resource": "nodes", "type": "added"}) == 2
            await asyncio.sleep(3)
            assert value("lading_cache_age_seconds", {"resource": "nodes"}) == pytest.approx(3)

    run(main())


def test_a_bundle_runs_what_was_chosen_and_nothing_else():
    async def main():
        history = with_nodes("n1")
        caches = Caches(history, (NODES,))
        with pytest.raises(LookupError, match="pods are not cached here"):
            _ = caches.pods
        async with asyncio.TaskGroup() as group:
            running = group.create_task(caches.run())
            await caches.wait_synced()
            assert caches.has_synced
            assert caches.nodes.get("n1") is not None
            running.cancel()

    run(main())


def test_a_bundle_says_which_of_it_is_not_synced():
    caches = Caches(History(), (PODS, CLAIMS))
    assert not caches.has_synced
    assert caches.complaint() == "pods: not synced; persistentvolumeclaims: not synced"
    assert Timing().quiet < Timing().silence
