"""The extender judges as kube-scheduler's own volume plugins do: node by node, status and reasons.

`make fuzz` compares many more clusters; a disagreement becomes a case in tests/cases/scheduling.
"""

import json

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.extender.cases import Case, load
from tests.extender.fuzz import differs, scenario, smallest
from tests.extender.objects import claim, node, pod, storage_class, volume
from tests.extender.oracle import Oracle, Scenario
from tests.extender.shrink import as_case, shrink

pytestmark = pytest.mark.controlplane

# The same clusters in every run; a seed has no structure to shrink along, scenarios shrink by themselves.
FIXED = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)


@FIXED
@given(st.integers(0, 2**40))
def test_both_judge_alike(oracle: Oracle, seed: int):
    said = oracle.ask(scenario(seed))
    if found := differs(said, seed):
        case = as_case(f"seed-{seed}", "the scheduler and the extender disagreed", smallest(seed, oracle))
        pytest.fail(f"{found}\n{json.dumps(case, indent=1)}")


@pytest.mark.parametrize("case", load(), ids=lambda case: case.name)
def test_the_scheduler_itself_answers_as_the_case_says(oracle: Oracle, case: Case):
    asked = Scenario(case.objects, case.pod, wait_for_drivers=False)
    said = oracle.ask(asked)
    assert not said.invalid
    assert asked.nodes == case.nodes
    case.holds_for(said.result())


def test_what_a_server_would_refuse_is_told(oracle: Oracle):
    broken = volume("v")
    broken["spec"]["accessModes"] = []
    said = oracle.ask(Scenario([node("n1"), broken], pod("p", containers=[{"name": "a", "image": "a"}])))
    assert said.invalid == ("PersistentVolume spec.accessModes: Required value",)


def test_a_fault_is_shown_by_the_least_that_shows_it(oracle: Oracle):
    wanted = pod("p", "c", "d", containers=[{"name": "a", "image": "a"}])
    objects = [
        *(node(name, zone="a") for name in ("n1", "n2")),
        storage_class("static", "kubernetes.io/no-provisioner"),
        *(claim(name, "static") for name in ("c", "d")),
        volume("v", "static", zone="a"),
    ]

    def one_has_no_volume(smaller: Scenario) -> bool:
        said = oracle.ask(smaller)
        return any("didn't find available" in reason for word in said.words.values() for reason in word.reasons)

    found = shrink(Scenario(objects, wanted), one_has_no_volume)
    assert [obj["kind"] for obj in found.objects] == ["Node", "StorageClass", "PersistentVolumeClaim"]
    assert len(found.pod["spec"]["volumes"]) == 1
    said = oracle.ask(found)
    case = as_case("least", "why", said)
    assert case["expect"]["unresolvable"].keys() == set(found.nodes)
