"""The admission cases, replayed on the rules themselves, and the laws that hold for each of them."""

import copy
from dataclasses import replace
from typing import Any

import jsonpatch
import pytest

from model.meta import JSON
from tests.webhooks.cases import Outcome, admission_cases, applied, compare, view
from webhooks.rules import DEFAULTS
from webhooks.rules.evaluate import Verdict, evaluate
from webhooks.rules.facts import Snapshot
from webhooks.rules.rule import Operation, Phase, Review


def review_of(case: JSON) -> Review:
    old = case["oldObject"]
    if case["operation"] == "DELETE":
        return Review(Operation.DELETE, view(old), old)
    return Review(
        Operation(case["operation"]), view(case["object"]), case["object"], view(old) if old else None, old or None
    )


def facts_of(case: JSON) -> Snapshot:
    return Snapshot([view(each) for each in case["context"] if each])


def run(review: Review, facts: Snapshot) -> tuple[Verdict, Verdict]:
    mutated = evaluate(Phase.MUTATE, DEFAULTS, review, facts)
    after = replace(review, raw=mutated.raw, subject=view(mutated.raw))
    return mutated, evaluate(Phase.VALIDATE, DEFAULTS, after, facts)


@pytest.mark.parametrize("case", admission_cases())
def test_the_rules_decide_as_the_case_says(case: JSON) -> None:
    mutated, validated = run(review_of(case), facts_of(case))
    denials = mutated.denials + validated.denials
    message = "; ".join(each.message for each in denials)
    compare(case, Outcome(not denials, message, mutated.raw, mutated.patch, mutated.warnings + validated.warnings))


@pytest.mark.parametrize("case", admission_cases())
def test_the_patch_applies_to_what_came_and_a_second_run_changes_nothing(case: JSON) -> None:
    review, facts = review_of(case), facts_of(case)
    received = copy.deepcopy(review.raw)
    once = evaluate(Phase.MUTATE, DEFAULTS, review, facts)
    assert review.raw == received
    assert jsonpatch.apply_patch(review.raw, once.patch) == once.raw
    again = evaluate(Phase.MUTATE, DEFAULTS, replace(review, raw=once.raw, subject=view(once.raw)), facts)
    assert again.patch == []


def created_from_manifests() -> list[Any]:
    # A claim's binding marks can not be told from the binder's own on an update, so they come back.
    others = [each for each in admission_cases() if each.values[0]["rule"] != "pvc-stale-binding"]
    return [each for each in others if each.values[0]["operation"] == "CREATE"]


@pytest.mark.parametrize("case", created_from_manifests())
def test_applying_the_manifest_again_over_the_result_gives_the_result(case: JSON) -> None:
    facts, manifest = facts_of(case), case["object"]
    stored = evaluate(Phase.MUTATE, DEFAULTS, review_of(case), facts).raw
    sent = applied(stored, manifest)
    update = Review(Operation.UPDATE, view(sent), sent, view(stored), stored)
    assert evaluate(Phase.MUTATE, DEFAULTS, update, facts).raw == stored
