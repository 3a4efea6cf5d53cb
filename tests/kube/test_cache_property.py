"""Whatever happens between server and cache: nothing lost, nothing invented, own writes never unseen.

Random histories of one resource with every kind of fault; time is virtual, so every run is the same again.
"""

import asyncio
from dataclasses import replace
from random import Random

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.cache import Cache
from kube.errors import BadAnswer, Forbidden, Gone, ServerError, Unreachable
from model.resources import NODES
from tests.kube.history import Fault, History
from tests.kube.virtual import run

names = st.sampled_from(["a", "b", "c"])
zones = st.sampled_from(["x", "y"])
errors = st.sampled_from(
    [None, Unreachable("down"), Gone(410, "Expired"), ServerError(500), Forbidden(403), BadAnswer("what")]
)
writes = st.one_of(
    st.tuples(st.just("put"), names, zones),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("recreate"), names, zones),
)
steps = st.one_of(
    writes,
    st.tuples(st.just("write"), names, zones, st.sampled_from([0.0, 0.5, 5.0])),
    # Something is missed: the watch breaks, things happen, and perhaps they are forgotten.
    st.tuples(st.just("away"), st.lists(writes, max_size=4), st.sampled_from(["others", "compact"])),
    st.tuples(st.sampled_from(["cut", "end", "expire", "compact", "others"])),
    st.tuples(st.just("fault"), st.builds(Fault, after=st.integers(0, 3), error=errors)),
    st.tuples(st.just("sleep"), st.sampled_from([0.0, 0.015, 1.0, 15.0, 70.0, 700.0])),
)


class Checked:
    """A cache of a history, and what its handler may rely on."""

    def __init__(self, history):
        self.history = history
        self.now = asyncio.get_running_loop().time
        zone = {"zone": lambda each: [each.labels["zone"]]}
        self.cache = Cache(history, NODES, indexes=zone, clock=self.now, random=Random(1))
        self.cache.subscribe(self.told)
        self.known = {}
        self.wrong = []
        self.reached = 1
        self.own = {}

    def told(self, old, new):
        """Every change begins where the last one ended, and goes forward."""
        key = (old or new).name
        forward = old is None or new is None or (old.uid == new.uid and _version(old) < _version(new))
        if self.known.get(key) is not old or not forward:
            self.wrong.append((old, new))
        self.known[key] = new
        if new is None:
            del self.known[key]

    def check(self):
        assert not self.wrong
        self._shows_what_once_was()
        for obj in self.cache.values():
            assert self.known.get(obj.name) is obj or _version(obj) > self.reached
        self._shows_own_writes()
        for zone in ("x", "y"):
            wanted = {each.name for each in self.cache.values() if each.labels["zone"] == zone}
            assert {each.name for each in self.cache.by("zone", zone)} == wanted
        assert {each.name for each in self.cache.values()} == set(self.cache.keys())

    def _shows_what_once_was(self):
        shown = {name: obj.metadata.resource_version for name, obj in self.known.items()}
        states = self.history.states
        then = [version for version, state in states.items() if state == shown and version >= self.reached]
        assert then, f"{shown} was never true from version {self.reached} on"
        self.reached = then[0]

    def _shows_own_writes(self):
        for name, (version, until) in self.own.items():
            seen = self.cache.get(name)
            if self.now() < until and seen is not None:
                assert _version(seen) >= version
            elif self.now() < until:
                assert any(name not in state for at, state in self.history.states.items() if at > version)

    async def write(self, name, zone, late):
        """Write, and learn of it only later."""
        written = self.history.put(name, zone=zone)
        await asyncio.sleep(late)
        self.cache.assume(written)
        self.own[name] = (_version(written), self.now() + 60.0)

    async def step(self, group, kind, *args):
        history = self.history
        match kind, *args:
            case "put", name, zone:
                history.put(name, zone=zone)
            case "delete", name if name in history.objects:
                history.delete(name)
            case "recreate", name, zone if name in history.objects:
                history.delete(name)
                history.put(name, zone=zone)
            case "write", name, zone, late:
                group.create_task(self.write(name, zone, late))
                await asyncio.sleep(0)
            case "away", missed, then:
                history.cut()
                for each in missed:
                    await self.step(group, *each)
                await self.step(group, then)
            case "others", *_:
                history.others(writes=3)
                history.states[history.version] = history.states[max(history.states)]
            case "fault", fault:
                history.faults.append(replace(fault))
            case "sleep", seconds:
                await asyncio.sleep(seconds)
            case ("cut" | "end" | "expire" | "compact") as what, *_:
                getattr(history, what)()


def _version(obj):
    return int(obj.metadata.resource_version)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(steps, st.sampled_from([0.0, 2.0])), min_size=5, max_size=40),
    st.sampled_from(["yes", "refuses", "ignores"]),
    st.booleans(),
    st.integers(0, 3),
)
def test_a_cache_is_what_the_server_was_and_becomes_what_it_is(script, streaming, deletes_count, present):
    async def main():
        history = History(streaming=streaming, deletes_count=deletes_count)
        for name in "abc"[:present]:
            history.put(name, zone="x")
        checked = Checked(history)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(checked.cache.run())
            for step, settle in script:
                await checked.step(group, *step)
                checked.check()
                await asyncio.sleep(settle)
                checked.check()
            history.faults.clear()
            await asyncio.sleep(2000)
            checked.check()
            running.cancel()
        assert checked.known == history.objects
        assert {each.name: each for each in checked.cache.values()} == history.objects
        assert checked.cache.has_synced

    with structlog.testing.capture_logs():
        run(main())
