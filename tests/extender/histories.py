"""Random histories in virtual time: users, kube-scheduler, the binder, a provisioner and its reports around replicas.

Everything but the extender is the least that plays its part, and acts at random times.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import msgspec

from extender.filters import evaluate
from extender.slots import slots_once_bound
from extender.snapshot import SERVED_RULES, Snapshot
from extender.wire import ExtenderBindingArgs
from model import names
from model.meta import JSON
from model.workloads import Pod
from tests.extender.objects import claim, csi_node, node, pod, storage_class, volume
from tests.extender.replicated import LEASE_SECONDS, Replica, Server
from tests.extender.tables import Cluster

DRIVER: Final = "csi.example.com"
LIMITS: Final = {"a1": 2, "a2": 3, "b1": 2}
"""Attach slots of the nodes; the first letter is the zone."""
HOLDS: Final = {"a": 7, "b": 5}
"""Gi of the zones' pools."""
GIB: Final = 1 << 30
EXCLUSIVE: Final = 2
"""Claims for one pod alone."""
PATIENT_SECONDS: Final = 60.0
"""The scheduler's httpTimeout."""
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """A cluster in which things happen until they are told to end."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.wrongs: list[str] = []
        self.moods = deque[str]()
        self.server = Server(self._judge)
        for obj in _cluster():
            self.server.put(obj)
        self.leader: Replica | None = None
        self.standby = self._replica()
        self._binding: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._made = 0
        self._ready: dict[str, float] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- what happens ---

    async def begin(self) -> None:
        """The first replica leads, and everybody goes about his business."""
        await self._take_over()
        for work in (self._schedule, self._bind_claims, self._provision, self._report, self._clean):
            self.spawn(work())

    async def end(self) -> None:
        """Nothing happens any more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.leader.stop()

    def spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def hand_over(self) -> None:
        """The leader is stopped, as at an upgrade, and gives its lease up."""
        leader, self.leader = self.leader, None
        await leader.stop()
        await self._take_over()

    async def crash(self) -> None:
        """The leader dies, and its lease runs out."""
        leader, self.leader = self.leader, None
        leader.kill()
        await asyncio.sleep(LEASE_SECONDS)
        await self._take_over()

    async def restart(self) -> None:
        """Both die: the next has seen nothing of what was."""
        leader, self.leader = self.leader, None
        leader.kill()
        self.server.followers.remove(self.standby.follower)
        await asyncio.sleep(LEASE_SECONDS)
        self.standby = self._replica()
        await self._take_over()

    def lag(self, kind: str, seconds: float, *, leader: bool) -> None:
        """What one replica is shown of a kind comes late."""
        if replica := self.leader if leader else self.standby:
            self.spawn(replica.follower.lag(kind, seconds))

    def create(self, kind: str, size: int) -> None:
        """A pod, with claims of its own but where they are shared."""
        self._made += 1
        name = f"{kind}-{self._made}"
        claims = list(_claims(kind, name, size))
        for each in claims:
            its = each["metadata"]
            if ("claims", f"ns/{its['name']}") in self.server.objects:
                continue
            its["uid"] = f"uid-{its['name']}-{self._made}"
            if named := each["spec"]["volumeName"]:
                self.server.put(volume(named, "static", claimRef=_reference(its["name"], its["uid"])))
            self.server.put(each)
        self.server.put(pod(name, *(each["metadata"]["name"] for each in claims)))

    def delete(self, number: int, *, with_claims: bool) -> None:
        """One of the pods, perhaps with its claims."""
        pods = sorted(each.name for each in self.server.all("pods"))
        if not pods:
            return
        gone = self.server.view("pods", f"ns/{pods[number % len(pods)]}")
        self.server.remove("pods", gone.key)
        for each in gone.volumes if with_claims else ():
            key = f"ns/{gone.claim_name(each)}"
            if ("claims", key) in self.server.objects and not any(self.server.caches.pods.by("claim", key)):
                self.server.remove("claims", key)

    # --- kube-scheduler ---

    async def _schedule(self) -> None:
        while True:
            now = asyncio.get_running_loop().time()
            for each in self.server.all("pods"):
                waits = self._not_before.get(each.uid, 0.0) > now
                if not (each.spec.node_name or waits or each.uid in self._binding):
                    self._place(each)
            await asyncio.sleep(self.random.uniform(0.05, 0.5))

    def _place(self, wanting: Pod) -> None:
        self._later(wanting)
        if self.leader is None or self.leader.binder is None:
            return
        snapshot = self.leader.snapshot
        verdicts = self.leader.lessons.applied(wanting, evaluate(wanting, snapshot, snapshot.nodes.all), snapshot)
        if found := snapshot.nodes.names_of(verdicts.feasible):
            self._binding.add(wanting.uid)
            self.spawn(self._bind(wanting, self.random.choice(found)))

    async def _bind(self, wanting: Pod, on: str) -> None:
        try:
            async with asyncio.timeout(PATIENT_SECONDS):
                await asyncio.sleep(self.random.uniform(0.0, 0.2))
                if self.leader is not None and self.leader.binder is not None:
                    args = ExtenderBindingArgs(wanting.name, wanting.namespace, wanting.uid, on)
                    await self.leader.binder.bind(args)
        except TimeoutError:
            pass
        finally:
            self._binding.discard(wanting.uid)
            self._later(wanting)

    def _later(self, wanting: Pod) -> None:
        self._not_before[wanting.uid] = asyncio.get_running_loop().time() + self.random.uniform(0.5, 5.0)

    # --- controllers ---

    async def _bind_claims(self) -> None:
        while True:
            for each in self.server.all("volumes"):
                reference = each.spec.claim_ref
                its = self.server.caches.claims.get(f"{reference.namespace}/{reference.name}") if reference else None
                if its is not None and its.uid == reference.uid and not its.spec.volume_name:
                    self.server.bind_claim(its.key, each.name)
            await asyncio.sleep(self.random.uniform(0.05, 3.0))

    async def _provision(self) -> None:
        while True:
            now = asyncio.get_running_loop().time()
            for each in self.server.all("claims"):
                if each.selected_node and not each.spec.volume_name and f"made-{each.uid}" not in self._volumes():
                    ready = self._ready.setdefault(each.uid, now + self.random.uniform(0.0, 20.0))
                    if ready <= now:
                        del self._ready[each.uid]
                        self._make(each)
            await asyncio.sleep(self.random.uniform(0.05, 2.0))

    def _make(self, its: Any) -> None:
        zone, size = its.selected_node[0], _gib(its)
        if self.made_of(zone) + size > HOLDS[zone]:
            self.server.change("claims", its.key, lambda obj: obj["metadata"]["annotations"].pop(names.SELECTED_NODE))
            return
        made = volume(f"made-{its.uid}", "pool", f"{size}Gi", zone=zone, claimRef=_reference(its.name, its.uid))
        made["metadata"]["creationTimestamp"] = f"{self.now():%Y-%m-%dT%H:%M:%SZ}"
        self.server.put(made)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(self.random.uniform(1.0, 60.0))
            for zone, holds in HOLDS.items():
                left = f"{holds - self.made_of(zone)}Gi"
                if self.server.objects["capacities", f"d/pool-{zone}"]["capacity"] != left:
                    self.server.change("capacities", f"d/pool-{zone}", lambda obj, left=left: obj.update(capacity=left))

    async def _clean(self) -> None:
        """Volumes whose claims are gone are destroyed, or free again."""
        while True:
            for each in self.server.all("volumes"):
                reference = each.spec.claim_ref
                its = self.server.caches.claims.get(f"ns/{reference.name}") if reference else None
                if reference is None or (its is not None and its.uid == reference.uid):
                    continue
                self.server.remove("volumes", each.name)
                if each.name.startswith("free-"):
                    self.server.put(volume(each.name, "static", zone=each.name[5]))
            await asyncio.sleep(self.random.uniform(0.5, 10.0))

    # --- what is so ---

    def now(self) -> datetime:
        """The date, in virtual time."""
        return BEGAN + timedelta(seconds=asyncio.get_running_loop().time())

    def made_of(self, zone: str) -> int:
        """Gi that volumes take of a zone's pool."""
        volumes = (each for each in self.server.all("volumes") if each.name.startswith("made-"))
        return sum(each.capacity_nanos // 10**9 // GIB for each in volumes if _zone_of(each) == zone)

    def could_run(self) -> list[str]:
        """The pods without a node that would have one, if the cluster were as new to an extender."""
        known = Cluster(self.server.objects.values(), SERVED_RULES)
        waiting = [each for each in known.tables["pods"].values() if not each.spec.node_name]
        return [each.name for each in waiting if any(_fits(each, name, known.snapshot) for name in LIMITS)]

    def _judge(self, _server: Server) -> None:
        self.wrongs += (each for each in faults(self) if each not in self.wrongs)

    def _volumes(self) -> set[str]:
        return {each.name for each in self.server.all("volumes")}

    def _replica(self) -> Replica:
        return Replica(self.server, self.moods, self.random)

    async def _take_over(self) -> None:
        replica, self.standby = self.standby, self._replica()
        await replica.lead(self.now)
        self.leader = replica


def faults(history: History) -> Iterator[str]:
    """What must never be: a node above its limit, a volume of two claims, a claim of two pods, a pool overdrawn."""
    server = history.server
    held, users = defaultdict[str, set[str]](set), Counter[str]()
    for each in server.all("pods"):
        for pod_volume in each.volumes if each.spec.node_name else ():
            key = f"ns/{each.claim_name(pod_volume)}"
            its = server.caches.claims.get(key)
            if its is not None:
                held[each.spec.node_name].add(its.spec.volume_name or key)
                users[key] += "ReadWriteOncePod" in its.access_modes
    yield from (f"node {name} has {sorted(has)}" for name, has in held.items() if len(has) > LIMITS[name])
    yield from (f"claim {key} has {count} pods" for key, count in users.items() if count > 1)
    named = Counter(each.spec.volume_name for each in server.all("claims") if each.spec.volume_name)
    yield from (f"volume {name} has {count} claims" for name, count in named.items() if count > 1)
    for zone, holds in HOLDS.items():
        asked = [
            each
            for each in server.all("claims")
            if (each.selected_node or " ")[0] == zone and f"made-{each.uid}" not in history._volumes()
        ]
        if history.made_of(zone) + sum(map(_gib, asked)) > holds:
            yield f"pool {zone} has {history.made_of(zone)} made, asked for {[each.name for each in asked]}"


def _fits(wanting: Pod, name: str, snapshot: Snapshot) -> bool:
    """Whether the node suits, also with the very volume that a claim would take there."""
    own = snapshot.nodes.mask_of((name,))
    verdicts = evaluate(wanting, snapshot, own)
    taken = slots_once_bound(wanting, verdicts.plan.on(own), snapshot.stores, migrated=True)
    present = snapshot.slots.on(name).present
    return bool(verdicts.feasible) and len({*present, *taken}) <= LIMITS[name]


def _claims(kind: str, name: str, size: int) -> Iterator[JSON]:
    match kind:
        case "bound":
            yield claim(name, "static", volume=f"v-{name}")
        case "static":
            yield claim(name, "static")
        case "made":
            yield claim(name, "pool", f"{size}Gi")
        case "two":
            yield from (claim(f"{name}-{number}", "pool", f"{size}Gi") for number in range(2))
        case "exclusive":
            exclusive = claim(f"exclusive-{size % EXCLUSIVE}", "static", volume=f"v-exclusive-{size % EXCLUSIVE}")
            exclusive["spec"]["accessModes"] = ["ReadWriteOncePod"]
            yield exclusive
        case "sharing":
            yield claim("shared", "pool", "1Gi")


def _cluster() -> Iterator[JSON]:
    yield from (node(name, zone=name[0]) for name in LIMITS)
    yield from (csi_node(name, **{DRIVER: limit}) for name, limit in LIMITS.items())
    yield storage_class("pool")
    yield storage_class("static", names.NO_PROVISIONER)
    storage: JSON = {"apiVersion": "storage.k8s.io/v1"}
    yield {**storage, "kind": "CSIDriver", "metadata": {"name": DRIVER}, "spec": {"storageCapacity": True}}
    for zone, holds in HOLDS.items():
        yield {
            **storage,
            "kind": "CSIStorageCapacity",
            "metadata": {"name": f"pool-{zone}", "namespace": "d"},
            "storageClassName": "pool",
            "nodeTopology": {"matchLabels": {names.ZONE: zone}},
            "capacity": f"{holds}Gi",
        }
        yield volume(f"free-{zone}", "static", zone=zone)


def _reference(name: str, uid: str) -> JSON:
    return {"namespace": "ns", "name": name, "uid": uid}


def _gib(its: Any) -> int:
    return int(its.requested_nanos // 10**9 // GIB)


def _zone_of(made: Any) -> str:
    terms = msgspec.to_builtins(made.spec.node_affinity)["required"]["nodeSelectorTerms"]
    return str(terms[0]["matchExpressions"][0]["values"][0])
