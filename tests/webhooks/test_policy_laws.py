"""Laws that hold with every rule on, whatever the object and whatever the cluster (hypothesis)."""

import jsonpatch
from hypothesis import given
from hypothesis import strategies as st

from model.meta import JSON
from tests.webhooks.cases import applied
from tests.webhooks.test_rule_laws import FACTS, OBJECTS, create, futures, update
from tests.webhooks.test_settings import EVERYTHING
from webhooks.rules import CHOSEN
from webhooks.rules.evaluate import evaluate
from webhooks.rules.facts import Snapshot
from webhooks.rules.rule import Denial, Phase, Warn
from webhooks.settings import parse

ALL = parse(EVERYTHING).switched(rule.name for rule in CHOSEN)
IN_TREE = st.fixed_dictionaries(
    {},
    optional={
        "awsElasticBlockStore": st.sampled_from([{"volumeID": "vol-1", "partition": 1}, {"volumeID": "aws://a/b/c"}]),
        "gcePersistentDisk": st.just({"pdName": "d", "readOnly": True, "fsType": "ext4"}),
        "azureDisk": st.just({"diskName": "n", "diskURI": "/subscriptions/x", "kind": "Managed"}),
    },
)


def with_sources(raw: JSON, sources: JSON) -> JSON:
    return {**raw, "spec": {**raw["spec"], **sources}} if raw["kind"] == "PersistentVolume" else raw


EXTENDED = st.builds(with_sources, OBJECTS, IN_TREE)


def with_policy(facts: Snapshot) -> Snapshot:
    return Snapshot(facts.objects, policy=ALL.policy)


@given(EXTENDED, FACTS)
def test_with_every_rule_on_twice_is_once_and_the_patch_applies(raw: JSON, facts: Snapshot) -> None:
    once = evaluate(Phase.MUTATE, ALL.rules, create(raw), with_policy(facts))
    assert jsonpatch.apply_patch(raw, once.patch) == once.raw
    assert evaluate(Phase.MUTATE, ALL.rules, create(once.raw), with_policy(facts)).patch == []
    assert futures(once.raw) == futures(raw)


@given(EXTENDED, FACTS)
def test_with_every_rule_on_a_manifest_can_come_again(raw: JSON, facts: Snapshot) -> None:
    """But for two rules that change what can be changed back: their pages say so."""
    known, rules = with_policy(facts), [each for each in ALL.rules if each.name not in CHANGES_WHAT_WAS_ASKED]
    stored = evaluate(Phase.MUTATE, rules, create(raw), known).raw
    again = evaluate(Phase.MUTATE, rules, update(applied(stored, raw), stored), known)
    assert without_marks(again.raw) == without_marks(stored)


CHANGES_WHAT_WAS_ASKED = {"pv-static-retain", "pv-drop-beta-labels"}


def without_marks(raw: JSON) -> JSON:
    annotations = {
        key: value for key, value in raw["metadata"].get("annotations", {}).items() if not key.startswith("pv.kub")
    }
    return {**raw, "metadata": {**raw["metadata"], "annotations": annotations}}


@given(EXTENDED, EXTENDED, FACTS)
def test_with_every_rule_on_only_claims_and_warnings_come_of_validation(raw: JSON, old: JSON, facts: Snapshot) -> None:
    reviews = [create(raw)] + ([update(raw, old)] if raw["kind"] == old["kind"] else [])
    for review in reviews:
        for each in evaluate(Phase.VALIDATE, ALL.rules, review, with_policy(facts)).findings:
            assert isinstance(each.effect, Denial | Warn)
            assert each.effect.field, each
