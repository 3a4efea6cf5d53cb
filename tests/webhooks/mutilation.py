"""Objects as nobody should send them, made along the types that rules read; `python -m tests.webhooks.mutilation N`.

Most fields have a value of their type, though an odd one; some are missing, null, of another type, or nested deeply.
The same seed makes the same objects.
"""

import copy
import sys
from random import Random
from typing import Any

import jsonpatch
import msgspec
from msgspec import inspect

from model import names
from model.meta import JSON
from model.resources import CLAIMS, CLASSES, CSI_DRIVERS, CSI_NODES, NODES, VOLUMES, Resource
from tests.webhooks.cases import admission_cases
from tests.webhooks.test_settings import EVERYTHING
from webhooks.rules import CHOSEN
from webhooks.rules.evaluate import evaluate
from webhooks.rules.facts import Snapshot
from webhooks.rules.rule import Operation, Phase, Review
from webhooks.settings import Settings, parse
from webhooks.wire import RULED, AdmissionRequest, GroupVersionKind, ReviewError, answer, read

WORDS = [
    *(value for name, value in vars(names).items() if name.isupper()),
    *("", " ", "\n", "a", " a ", "a__b", "__", "x/y", "~", "~0~1", "/", "//", "true", "yes"),
    *("\u2028", "\U0001f600", "a" * 300, "a\x00b"),
    *("1Gi", "1.1Gi", "0.5", "-1", "1e999", "1n", "99999999999999999999Ei", "0x10", "1 Gi", "NaN", "inf"),
    *("/etc", "/", "..", "/a/../etc", "/var/lib/kubelet", "ReadWriteOnce", "ReadWriteMany", "Block", "Delete", "Bound"),
    *("In", "Exists", "Gt", "csi.storage.k8s.io/fsType", "csi.storage.k8s.io/", "fstype", "kubernetes.io/aws-ebs"),
    *("aws://x/vol-1", "vol-1", "2026-01-01T00:00:00Z", "shop", "cart", "u-1", "d", "slow"),
]  # fmt: skip
ODDITIES = [None, 0, -1, 2**63, 1.5, True, [], {}, [None], {"": None}, "x", [[[[]]]], {"a": {"b": {"c": []}}}]

SOUND: dict[str, list[JSON]] = {}
for _case in admission_cases():
    for _each in (_case.values[0]["object"], _case.values[0]["oldObject"], *_case.values[0]["context"]):
        if _each:
            SOUND.setdefault(_each["kind"], []).append(_each)


class Maker:
    """Makes objects of the types, by one stream of chance."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)

    def object(self, resource: Resource[Any]) -> JSON:
        """An object of the kind, which may be decodable: one of the cases, or made up."""
        known = SOUND.get(resource.kind, [])
        if known and self.chance.random() < 0.5:
            raw: JSON = copy.deepcopy(self.chance.choice(known))
        else:
            raw = {"apiVersion": resource.api_version, "kind": resource.kind}
            raw |= self._struct(inspect.type_info(resource.view), 0)
        for _ in range(self.chance.choice([0, 0, 0, 1, 2, 3])):
            self._break(raw)
        return raw

    def _value(self, kind: Any, depth: int) -> Any:
        match kind:
            case inspect.UnionType(types=types):
                return self._value(self.chance.choice(types), depth)
            case inspect.StructType() if depth < 8:
                return self._struct(kind, depth + 1)
            case inspect.DictType(value_type=value_type):
                return {self._word(): self._value(value_type, depth + 1) for _ in range(self.chance.randint(0, 3))}
            case inspect.VarTupleType(item_type=item_type) | inspect.ListType(item_type=item_type):
                return [self._value(item_type, depth + 1) for _ in range(self.chance.randint(0, 3))]
            case inspect.StrType() | inspect.EnumType():
                return self._word()
            case inspect.BoolType():
                return self.chance.random() < 0.5
            case inspect.IntType():
                return self.chance.choice([0, 1, -1, 2**31, 2**53])
            case inspect.NoneType():
                return None
            case _:
                return copy.deepcopy(self.chance.choice([self._word(), *ODDITIES]))

    def _struct(self, kind: Any, depth: int) -> JSON:
        return {
            each.encode_name: self._value(each.type, depth)
            for each in kind.fields
            if each.required or self.chance.random() < (0.9 if depth < 2 else 0.6)
        }

    def _word(self) -> str:
        return self.chance.choice(WORDS)

    def _break(self, raw: JSON) -> None:
        """Put something odd somewhere."""
        holder: Any = raw
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                return
            key = self.chance.choice(keys)
            below = holder[key]
            if isinstance(below, dict | list) and below and self.chance.random() < 0.8:
                holder = below
                continue
            holder[key] = copy.deepcopy(self.chance.choice(ODDITIES))
            return


def settings(number: int) -> Settings:
    """In turn what is on by default, everything, and everything as warnings or refusals."""
    everything = parse(EVERYTHING).switched(rule.name for rule in CHOSEN)
    return (Settings(), everything, parse("rules: {pv-mount-options: warn, pvc-unknown-class: refuse}"))[number % 3]


def request(maker: Maker, number: int) -> AdmissionRequest:
    """A request about an object of a kind that rules look at."""
    resource = (VOLUMES, CLAIMS, CLASSES, *RULED.values())[number % (3 + len(RULED))]
    operation: Any = maker.chance.choice(["CREATE", "UPDATE", "DELETE"])
    new = None if operation == "DELETE" else maker.object(resource)
    old = None if operation == "CREATE" else maker.object(resource)
    if operation == "UPDATE" and maker.chance.random() < 0.7:
        old = copy.deepcopy(new)
        maker._break(old or {})
    kind = GroupVersionKind(resource.group, resource.version, resource.kind)
    return AdmissionRequest("u", kind, operation, object=new, old_object=old)


def facts(maker: Maker, policy: Any) -> Snapshot:
    """A small cluster of odd objects, as caches would hold: decodable ones alone."""
    objects = []
    for resource in (NODES, CSI_NODES, CSI_DRIVERS, VOLUMES, CLAIMS, CLASSES):
        for _ in range(maker.chance.randint(0, 2)):
            try:
                objects.append(msgspec.convert(maker.object(resource), resource.view))
            except msgspec.ValidationError:
                continue
    return Snapshot(objects, complete=maker.chance.random() < 0.8, policy=policy)


def judge(seed: int, count: int) -> tuple[int, int]:
    """Send so many through all rules; how many could be read, and how many were patched.

    Raises what a rule raises, with the request in a note.
    """
    maker, sets = Maker(seed), [settings(number) for number in range(3)]
    readable = patched = 0
    known = facts(maker, sets[0].policy)
    for number in range(count):
        chosen = sets[number % 3]
        if number % 20 == 0:
            known = facts(maker, chosen.policy)
        asked = request(maker, number)
        try:
            review = read(asked)
        except ReviewError:
            continue
        assert review is not None
        readable += 1
        try:
            patched += _judged(asked, review, chosen, Snapshot(known.objects, known.complete, chosen.policy))
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}: {msgspec.json.encode(asked).decode()}")
            raise
    return readable, patched


def _judged(asked: AdmissionRequest, review: Review[Any], chosen: Settings, known: Snapshot) -> bool:
    before = copy.deepcopy(review.raw)
    verdict = evaluate(Phase.MUTATE, chosen.rules, review, known)
    assert review.raw == before, "the request is not ours to change"
    if review.operation is not Operation.DELETE:
        assert jsonpatch.apply_patch(review.raw, verdict.patch) == verdict.raw
        msgspec.convert(verdict.raw, type(review.subject))
    else:
        assert verdict.patch == []
    msgspec.json.encode(answer(asked, Phase.MUTATE, verdict))
    msgspec.json.encode(answer(asked, Phase.VALIDATE, evaluate(Phase.VALIDATE, chosen.rules, review, known)))
    return bool(verdict.patch)


if __name__ == "__main__":
    numbers = judge(int(sys.argv[2]) if len(sys.argv) > 2 else 0, int(sys.argv[1]))
    sys.stdout.write(f"read {numbers[0]}, patched {numbers[1]}\n")
