"""Random histories of users, faults and crashes: what must never be, and what must be when all is quiet."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube.errors import Unreachable
from model import names
from storage.binding import suits, takeable
from tests.controllers.crashes import pods_that_end
from tests.controllers.inprocess import storage_class, world
from tests.controllers.manifests import claim, pod, volume
from tests.controllers.told import PROVISIONER, Told

RWO, BOTH = ["ReadWriteOnce"], ["ReadWriteOnce", "ReadOnlyMany"]
number = st.integers(0, 3)
steps = st.one_of(
    st.tuples(st.just("claim"), number, st.integers(1, 3), st.sampled_from([RWO, BOTH]), st.sampled_from(["", "told"])),
    st.tuples(
        st.just("volume"),
        number,
        st.integers(1, 3),
        st.sampled_from([RWO, BOTH]),
        st.sampled_from(["Retain", "Recycle", "Delete"]),
        st.sampled_from([None, None, 0, 1]),
    ),
    st.tuples(st.just("named claim"), number, number),
    st.tuples(st.sampled_from(["unclaim", "unvolume", "use", "unuse", "give back", "tie"]), number),
    st.tuples(st.sampled_from(["lose", "fail"]), st.integers(1, 4)),
    st.tuples(st.just("run"), st.integers(1, 40)),
    st.tuples(st.just("lag"), st.sampled_from(["persistentvolumes", "persistentvolumeclaims", "pods"])),
    st.tuples(st.just("catch up")),
    st.tuples(st.sampled_from(["rest", "crash"])),
)


class History:
    """One history: the world, the controllers, and the watch over both."""

    def __init__(self, made):
        self.made = made
        self.wrongs = []
        """What should never have been; kept, as whoever causes it would only log it."""
        self.plugin = Guarded(made, self.wrongs)
        self.stack = self.running = None
        self.lose = self.fail = 0

    async def start(self):
        self.stack = AsyncExitStack()
        self.running = await self.stack.enter_async_context(
            self.made.controllers(plugins=self.plugin, prepare=self._prepare)
        )

    async def stop(self):
        await self.stack.aclose()

    def _prepare(self, transport):
        transport.before, transport.after = self._before, self._after

    def _before(self, request):
        if self.fail:
            self.fail -= 1
            raise Unreachable("refused", sent=False)
        if request.method == "DELETE" and "/persistentvolumes/" in request.path:
            gone = self.made.volume(request.path.rpartition("/")[2])
            if gone and not _may_go(self.made, gone):
                self.wrongs.append(("deleted", gone))

    def _after(self, _):
        self.wrongs += wrongs(self.made)
        if self.lose:
            self.lose -= 1
            raise Unreachable("the answer is lost")

    async def do(self, step):
        what, *parts = step
        await getattr(self, f"on_{what.replace(' ', '_')}")(*parts)

    async def on_claim(self, index, size, modes, class_name):
        await self._create(claim(f"c{index}", size=f"{size}Gi", accessModes=modes, storageClassName=class_name))

    async def on_named_claim(self, index, there):
        await self._create(claim(f"c{index}", volumeName=f"v{there}"))

    async def on_volume(self, index, size, modes, policy, reserved):
        reference = {} if reserved is None else {"claimRef": {"namespace": "default", "name": f"c{reserved}"}}
        spec = {"accessModes": modes, "persistentVolumeReclaimPolicy": policy, **reference}
        await self._create(volume(f"v{index}", size=f"{size}Gi", **spec))

    async def on_unclaim(self, index):
        await self._delete("PersistentVolumeClaim", f"c{index}", "default")

    async def on_unvolume(self, index):
        await self._delete("PersistentVolume", f"v{index}")

    async def on_use(self, index):
        await self._create(pod(f"p{index}", _uses(f"c{index}"), node="n1"))

    async def on_unuse(self, index):
        await self._delete("Pod", f"p{index}", "default")

    async def on_give_back(self, index):
        """What an admin does with a volume that was kept."""
        if self.made.volume(f"v{index}").get("status", {}).get("phase") in ("Released", "Failed"):
            await self.made.merge("PersistentVolume", "", f"v{index}", {"spec": {"claimRef": None}})

    async def on_tie(self, index):
        """What a scheduler's first write does: a free volume gets a claim that may have got another by then."""
        there, asking = self.made.volume(f"v{index}"), self.made.claim(f"c{index}")
        if there and asking and "claimRef" not in there["spec"]:
            reference = {"namespace": "default", "name": f"c{index}", "uid": asking["metadata"]["uid"]}
            marks = {"annotations": {names.BOUND_BY_CONTROLLER: "yes"}}
            change = {"spec": {"claimRef": reference}, "metadata": marks}
            await self.made.merge("PersistentVolume", "", f"v{index}", change)

    async def on_lose(self, count):
        self.lose = count

    async def on_fail(self, count):
        self.fail = count

    async def on_run(self, turns):
        for _ in range(turns):
            await asyncio.sleep(0)

    async def on_lag(self, plural):
        self.running.transport.lagging.add(plural)

    async def on_catch_up(self):
        self.running.transport.catch_up()

    async def on_rest(self):
        await self.on_catch_up()
        await self.running.settle()

    async def on_crash(self):
        await self.stop()
        await self.start()

    async def _create(self, obj):
        if not self.made.get(obj["kind"], obj["metadata"]["name"], obj["metadata"].get("namespace", "")):
            await self.made.create(obj)

    async def _delete(self, kind, name, space=""):
        if self.made.get(kind, name, space):
            await self.made.delete(kind, space, name)


class Guarded(Told):
    """A plugin that checks what it is asked to destroy."""

    def __init__(self, made, wrongs_):
        super().__init__()
        self._made, self._wrongs = made, wrongs_

    async def delete(self, volume):
        there = self._made.volume(volume.name)
        if there and not _may_go(self._made, there):
            self._wrongs.append(("destroyed", there))
        await super().delete(volume)


def _uses(name):
    return {"name": "v", "persistentVolumeClaim": {"claimName": name}}


def _may_go(made, there):
    """Whether a volume may be destroyed: its policy says so, and no claim has it."""
    reference = there["spec"].get("claimRef")
    having = made.claim(reference["name"]) if reference else {}
    is_its = bool(having) and having["metadata"]["uid"] == reference.get("uid")
    has_it = is_its and having["spec"].get("volumeName") in (None, "", there["metadata"]["name"])
    return there["spec"]["persistentVolumeReclaimPolicy"] == "Delete" and not has_it


def wrongs(made):
    """Two claims that are bound to one volume; a volume that was taken from a living claim."""
    claims = made.objects("PersistentVolumeClaim")
    bound = [each for each in claims if _bound_for_good(each) and each.get("status", {}).get("phase") == "Bound"]
    taken = Counter(each["spec"]["volumeName"] for each in bound)
    yield from (("two claims on", name) for name, count in taken.items() if count > 1)
    named = {each["metadata"]["uid"]: each["spec"].get("volumeName") for each in claims}
    for each in made.objects("PersistentVolume"):
        uid, name = each["spec"].get("claimRef", {}).get("uid"), each["metadata"]["name"]
        if each["status"]["phase"] in ("Released", "Failed") and uid in named and named[uid] in (None, "", name):
            yield ("taken from a living claim", name)


def _bound_for_good(each):
    return names.BIND_COMPLETED in each["metadata"].get("annotations", {}) and each["spec"].get("volumeName")


def check_quiet(history):
    """Both sides agree, nobody waits for what is free, nothing is left behind."""
    made = history.made
    volumes = {each["metadata"]["name"]: each for each in made.objects("PersistentVolume")}
    for each in made.objects("PersistentVolumeClaim"):
        if each["status"]["phase"] == "Bound":
            there = volumes[each["spec"]["volumeName"]]
            assert there["spec"]["claimRef"]["uid"] == each["metadata"]["uid"]
            assert there["status"]["phase"] == "Bound"
    for name, there in volumes.items():
        its = made.claim(there["spec"].get("claimRef", {}).get("name", ""))
        if its and there["spec"]["claimRef"].get("uid") == its["metadata"]["uid"]:
            assert its["spec"].get("volumeName", name) == name, "tied to a claim that has another volume"
    bound_to = [each["spec"]["claimRef"]["uid"] for each in volumes.values() if each["status"]["phase"] == "Bound"]
    assert len(bound_to) == len(set(bound_to)), "two volumes for one claim"
    caches = history.running.work.caches
    for waiting in caches.claims.values():
        if not waiting.spec.volume_name and waiting.status.phase == "Pending":
            free = [each for each in caches.volumes.values() if _would_do(each, waiting)]
            assert free == [], (waiting, free)
    assert {each for each in history.plugin.storage if each not in volumes} == set()


def _would_do(there, waiting):
    alike = there.storage_class == waiting.storage_class and there.access_modes >= waiting.access_modes
    return there.spec.claim_ref is None and alike and suits(there, waiting) and takeable(there, waiting)


@given(st.lists(steps, min_size=10, max_size=40))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens(history):
    asyncio.run(_run(history))


async def _run(history):
    async with world(storage_class("told", PROVISIONER)) as made, pods_that_end(made):
        one = History(made)
        await one.start()
        try:
            for step in history:
                await one.do(step)
                one.wrongs += wrongs(made)
            one.lose = one.fail = 0
            await one.on_rest()
            check_quiet(one)
            assert one.wrongs == []
        finally:
            await one.stop()
