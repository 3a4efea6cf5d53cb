"""The store: versions, conflicts, watches and history, by random histories with a journal that lags and fails."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.history import ChangeType
from sandbox.store import BUFFERED, ExpiredError, StorageError, Store, WriteConflictError
from tests.sandbox.journal import HeldJournal

NAMES = ("a", "b", "c")


def obj(**more):
    return {"metadata": {**more}}


class Watcher:
    """Replays what a watch shows over what was there when it began."""

    def __init__(self, store, since=None):
        self.since = store.version if since is None else since
        self.watch = store.watch("things", since)
        self.state = {each.key: each.version for each in store.records_at("things", self.since)}
        self.versions = []

    def read(self):
        for change in tuple(self.watch.pending):
            key, version = change.record.key, change.version
            assert version > (self.versions[-1] if self.versions else self.since)
            self.versions.append(version)
            assert (key in self.state) is (change.type is not ChangeType.ADDED)
            assert (change.previous.version if change.previous else None) == self.state.get(key)
            if change.type is ChangeType.DELETED:
                del self.state[key]
            else:
                self.state[key] = version
        self.watch.pending.clear()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("delete"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("settle"), st.booleans()),
        st.tuples(st.just("watch"), st.integers(0, 5)),
        st.tuples(st.just("read")),
        st.tuples(st.just("compact")),
    ),
    max_size=60,
)


async def _write(store, name, value, *, stale, outcomes):
    current = store.get("things", ("", name))
    expected = (current.version if current else 0) + (1000 if stale else 0)
    if value is None and current is None:
        return
    try:
        written = await store.write("things", ("", name), value, expected=expected)
        outcomes.append(written.version)
    except (WriteConflictError, StorageError):
        return


async def _history(steps):
    journal, outcomes = HeldJournal(), []
    store, watchers, tasks = Store(journal, kept=8), [], []
    watchers.append(Watcher(store))
    seen = store.version
    for step in steps:
        match step:
            case ("put", name, stale):
                tasks.append(asyncio.create_task(_write(store, name, obj(), stale=stale, outcomes=outcomes)))
            case ("delete", name, stale):
                tasks.append(asyncio.create_task(_write(store, name, None, stale=stale, outcomes=outcomes)))
            case ("settle", fails):
                journal.settle(fails=fails)
            case ("watch", back):
                with suppress(ExpiredError):
                    watchers.append(Watcher(store, max(store.version - back, 1)))
            case ("read",):
                for each in watchers:
                    each.read()
            case ("compact",):
                store.compact()
        await asyncio.sleep(0)
        assert store.version >= seen
        seen = store.version
    while not all(task.done() for task in tasks):
        journal.settle()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    return store, journal, watchers, outcomes


@given(STEPS)
def test_every_watcher_sees_every_change_once_and_in_order(steps):
    store, journal, watchers, outcomes = asyncio.run(_history(steps))
    now = {each.key: each.version for each in store.records("things")}
    for each in watchers:
        each.read()
        assert each.state == now
        assert each.versions == sorted(version for version in outcomes if version > each.since)
    # What was acknowledged is what the journal holds, under versions that nobody else has got.
    assert sorted(outcomes) == [entry.version for entry in journal.kept]
    assert len(set(outcomes)) == len(outcomes)
    kept = {}
    for entry in journal.kept:
        kept[entry.key] = entry
    assert {key: entry.version for key, entry in kept.items() if entry.encoded is not None} == now


async def test_a_write_is_seen_by_nobody_before_the_journal_has_it():
    journal = HeldJournal()
    store = Store(journal)
    watch, before = store.watch("things", None), store.version
    writing = asyncio.create_task(store.write("things", ("", "a"), obj(), expected=0))
    await asyncio.sleep(0)
    assert (store.get("things", ("", "a")), list(watch.pending), store.version) == (None, [], before)
    journal.settle()
    assert (await writing).version == store.version == before + 1
    assert [change.version for change in watch.pending] == [store.version]


async def test_a_write_that_is_not_kept_fails_and_leaves_no_trace():
    journal = HeldJournal()
    store = Store(journal)
    watch = store.watch("things", None)
    writing = asyncio.create_task(store.write("things", ("", "a"), obj(), expected=0))
    await asyncio.sleep(0)
    journal.settle(fails=True)
    with pytest.raises(StorageError):
        await writing
    assert (store.get("things", ("", "a")), list(watch.pending)) == (None, [])
    again = asyncio.create_task(store.write("things", ("", "a"), obj(), expected=0))
    await asyncio.sleep(0)
    journal.settle()
    assert (await again).version > 2


async def test_a_writer_that_gives_up_does_not_undo_what_it_wrote():
    journal = HeldJournal()
    store = Store(journal)
    writing = asyncio.create_task(store.write("things", ("", "a"), obj(), expected=0))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    journal.settle()
    assert store.get("things", ("", "a"))
    with pytest.raises(WriteConflictError):
        await store.write("things", ("", "a"), obj(), expected=0)


async def test_a_list_can_be_had_as_it_was_until_that_is_compacted():
    store = Store()
    first = await store.write("things", ("", "a"), obj(), expected=0)
    second = await store.write("things", ("", "a"), obj(x=1), expected=first.version)
    await store.write("things", ("", "a"), None, expected=second.version)
    assert [each.version for each in store.records_at("things", first.version)] == [first.version]
    assert store.records_at("things", store.version) == []
    store.compact()
    with pytest.raises(ExpiredError):
        store.records_at("things", second.version)
    with pytest.raises(ExpiredError):
        store.watch("things", second.version)
    assert store.watch("things", store.version)


async def test_history_is_bounded():
    store, version = Store(kept=10), 0
    for _ in range(100):
        version = (await store.write("things", ("", "a"), obj(), expected=version)).version
    watch = store.watch("things", version - 10)
    assert [change.version for change in watch.pending] == list(range(version - 9, version + 1))
    with pytest.raises(ExpiredError):
        store.watch("things", version - 11)


async def test_a_watcher_that_does_not_read_is_closed_and_costs_no_more_memory():
    store, version = Store(kept=10), 0
    slow, quick = store.watch("things", None), store.watch("things", None)
    for _ in range(BUFFERED + 5):
        version = (await store.write("things", ("", "a"), obj(), expected=version)).version
        quick.pending.clear()
    assert await slow.changes(0) is None
    assert not slow.pending
    assert await quick.changes(0) == ()
