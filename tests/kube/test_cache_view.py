"""What a cache shows and tells of what it is given: handlers, indexes, and own writes. Time is virtual."""

import pytest

from kube.cache import Cache
from model.meta import Metadata, Object
from model.resources import NODES
from tests.kube.history import History
from tests.kube.objects import node
from tests.kube.told import Log


@pytest.fixture
def cache():
    return Cache(History(), NODES, indexes={"zone": lambda each: [each.labels["zone"]] if each.labels else []})


def test_a_late_subscriber_is_told_what_is_present(cache):
    cache.replace([node("n1"), node("n2")], version="2")
    log = Log()
    cache.subscribe(log)
    assert log.lines == [(None, "n1@1"), (None, "n2@1")]


def test_subscriptions_end_with_their_block_and_others_do_not(cache):
    stays, ends = Log(), Log()
    cache.subscribe(stays)
    with cache.subscriptions():
        cache.subscribe(ends)
        cache.show(node("n1"))
    cache.show(node("n2", 2))
    assert ends.lines == [(None, "n1@1")]
    assert stays.lines == [(None, "n1@1"), (None, "n2@2")]


def test_one_bad_handler_harms_nobody(cache):
    def bad(old, new):
        raise RuntimeError

    log = Log()
    cache.subscribe(bad)
    cache.subscribe(log)
    cache.show(node("n1", 2))
    assert log.lines == [(None, "n1@2")]
    assert cache.get("n1") is not None


def test_handlers_see_the_cache_as_it_is_after_the_change(cache):
    seen = []
    cache.subscribe(lambda old, new: seen.append(len(cache.values())))
    cache.replace([node("n1"), node("n2")], version="2")
    cache.remove(node("n1", 3))
    assert seen == [1, 2, 1]


def test_what_can_not_be_read_stays_as_it_was(cache):
    cache.replace([node("n1", 1), node("n2", 2), node("n3", 2)], version="2")
    log = Log()
    cache.subscribe(log)
    log.lines.clear()
    same = Object(metadata=Metadata(name="n1", uid="uid-n1", resource_version="5"))
    another = Object(metadata=Metadata(name="n2", uid="another", resource_version="6"))
    cache.replace([], unreadable=[same, another], version="7")
    assert (list(cache.keys()), log.lines) == (["n1"], [("n2@2", None), ("n3@2", None)])


def test_indexes_follow_adds_changes_and_deletes(cache):
    cache.replace([node("n1", zone="a"), node("n2", zone="a"), node("n3")], version="2")
    assert [each.name for each in cache.by("zone", "a")] == ["n1", "n2"]
    cache.show(node("n1", 3, zone="b"))
    cache.remove(node("n2", 4))
    assert ([each.name for each in cache.by("zone", "b")], cache.by("zone", "a")) == (["n1"], [])


def test_an_index_added_later_covers_what_is_present(cache):
    cache.show(node("n1", 2, zone="a"))
    cache.add_index("name", lambda each: [each.name])
    assert [each.name for each in cache.by("name", "n1")] == ["n1"]


def test_an_unknown_index_is_an_error(cache):
    with pytest.raises(KeyError):
        cache.by("zoned", "a")


def test_a_faulty_index_finds_nothing_and_harms_nothing():
    cache = Cache(History(), NODES, indexes={"zone": lambda each: [each.labels["zone"]]})
    cache.show(node("n1", 2))
    cache.show(node("n1", 3, zone="a"))
    cache.show(node("n1", 4))
    assert (cache.by("zone", "a"), cache.get("n1").metadata.resource_version) == ([], "4")


def test_an_own_write_is_shown_until_the_watch_has_it(cache):
    cache.replace([node("n1", 1, zone="a")], version="1")
    log = Log()
    cache.subscribe(log)
    log.lines.clear()
    cache.assume(node("n1", 3, zone="b"))
    assert [each.name for each in cache.by("zone", "b")] == ["n1"]
    assert (cache.by("zone", "a"), log.lines) == ([], [])
    cache.show(node("n1", 2, zone="a"))
    assert cache.get("n1").labels["zone"] == "b"
    cache.show(node("n1", 3, zone="b"))
    cache.show(node("n1", 4, zone="c"))
    assert cache.get("n1").labels["zone"] == "c"
    assert log.lines == [("n1@1", "n1@2"), ("n1@2", "n1@3"), ("n1@3", "n1@4")]


def test_an_own_creation_is_shown_at_once(cache):
    cache.replace([], version="1")
    cache.assume(node("n1", 2, zone="a"))
    assert (list(cache.keys()), [each.name for each in cache.values()]) == (["n1"], ["n1"])
    assert [each.name for each in cache.by("zone", "a")] == ["n1"]


def test_an_own_write_older_than_the_watch_is_not_believed(cache):
    cache.replace([], version="1")
    cache.show(node("n1", 2))
    cache.remove(node("n1", 3))
    cache.assume(node("n1", 2))  # its answer came late: the watch has shown the deletion since
    assert cache.get("n1") is None


def test_the_newer_of_two_own_writes_wins(cache):
    cache.replace([node("n1", 1)], version="1")
    cache.assume(node("n1", 10, zone="b"))
    cache.assume(node("n1", 9, zone="a"))
    assert cache.get("n1").labels["zone"] == "b"


def test_a_deletion_past_an_own_write_ends_it(cache):
    cache.replace([node("n1", 1)], version="1")
    cache.assume(node("n1", 2))
    cache.show(node("n1", 2))
    cache.remove(node("n1", 3))
    assert (cache.get("n1"), list(cache.keys())) == (None, [])


def test_an_own_recreation_outlives_the_deletion_of_its_forerunner(cache):
    cache.replace([node("n1", 1, uid="old")], version="1")
    cache.assume(node("n1", 5, uid="new"))
    cache.remove(node("n1", 4, uid="old"))
    assert cache.get("n1").uid == "new"


@pytest.mark.parametrize("passed", [lambda cache: cache.reach("2"), lambda cache: cache.replace([], version="2")])
def test_a_bookmark_or_a_list_past_an_own_write_ends_it(cache, passed):
    cache.replace([], version="1")
    cache.assume(node("n1", 2))
    passed(cache)
    assert cache.get("n1") is None


def test_an_older_list_leaves_own_writes(cache):
    cache.replace([node("n1", 1)], version="1")
    cache.assume(node("n1", 3))
    cache.replace([node("n1", 1)], version="2")
    assert cache.get("n1").metadata.resource_version == "3"


def test_forgetting_an_own_write_shows_what_the_watch_showed(cache):
    cache.replace([node("n1", 1, zone="a")], version="1")
    cache.assume(node("n1", 2, zone="b"))
    cache.forget("n1")
    cache.forget("n2")
    assert [each.labels for each in cache.by("zone", "a")] == [{"zone": "a"}]


def test_own_writes_are_believed_for_a_time_only():
    time = 0.0
    cache = Cache(History(), NODES, assume_seconds=60, clock=lambda: time)
    cache.replace([], version="1")
    cache.assume(node("n1", 2))
    time = 59.0
    assert cache.get("n1") is not None
    time = 61.0
    assert (cache.get("n1"), list(cache.values()), list(cache.keys())) == (None, [], [])


def test_a_server_restored_from_a_backup_is_believed(cache):
    cache.replace([node("n1", 900)], version="1000")
    cache.replace([node("n1", 400)], version="500")
    assert cache.get("n1").metadata.resource_version == "400"
    cache.assume(node("n1", 501, zone="a"))
    assert cache.get("n1").labels == {"zone": "a"}
