"""What keeps claims and volumes from going, decided without a server."""

import pytest

from controllers import finalizers
from controllers.claim_protection import decide as of_claims
from controllers.claim_protection.execute import conditions
from controllers.claim_protection.live import MAX_NAMESPACES, LivePods
from controllers.volume_protection import decide as of_volumes
from model import names
from tests.controllers.given import GOING, claim, makes_claim, names_claim, owned_by, pod, volume

LEAVING = claim(metadata={"deletionTimestamp": GOING})


def test_a_claim_without_the_finalizer_gets_it():
    bare = claim(metadata={"finalizers": None})
    assert of_claims.decide(bare, ()) == of_claims.Protect(bare)


@pytest.mark.parametrize(
    "settled",
    [claim(), claim(metadata={"deletionTimestamp": GOING, "finalizers": ["of.example/another"]})],
    ids=["a protected claim that stays", "one that goes and waits for others only"],
)
def test_nothing_is_done_about(settled):
    assert of_claims.decide(settled, [pod("web", names_claim("data"))]) == of_claims.Nothing()


@pytest.mark.parametrize(
    "user",
    [
        pod("web", names_claim("data")),
        pod("web", names_claim("data"), phase="Succeeded"),
        pod("web", names_claim("data"), metadata={"deletionTimestamp": GOING, "deletionGracePeriodSeconds": 0}),
    ],
    ids=["running", "completed", "shut down but still there"],
)
def test_a_claim_is_kept_for_a_pod_on_a_node(user):
    assert of_claims.decide(LEAVING, [pod("other", names_claim("elsewhere")), user]) == of_claims.Keep(LEAVING, user)


@pytest.mark.parametrize(
    "other",
    [
        pod("web", names_claim("data"), node=""),
        pod("web", names_claim("other")),
        pod("web", names_claim("data"), metadata={"namespace": "elsewhere"}),
        pod("web"),
    ],
    ids=["without a node", "with another claim", "of another namespace", "without volumes"],
)
def test_the_server_is_asked_about_a_claim_that_no_known_pod_uses(other):
    assert of_claims.decide(LEAVING, [other]) == of_claims.Ask(LEAVING)


@pytest.mark.parametrize(
    ("owner", "more", "uses"),
    [
        (owned_by("uid-web"), {}, True),
        (owned_by("uid-earlier"), {}, False),
        (owned_by("uid-web", controller=False), {}, False),
        ({}, {}, False),
        (owned_by("uid-web"), {"deletionTimestamp": GOING, "deletionGracePeriodSeconds": 30}, True),
        (owned_by("uid-web"), {"deletionTimestamp": GOING, "deletionGracePeriodSeconds": 0}, False),
    ],
    ids=["its own", "of an earlier pod", "owned but not managed", "nobody's", "ending", "shut down"],
)
def test_an_ephemeral_volume_uses_a_claim(owner, more, uses):
    made = claim("web-scratch", metadata={"deletionTimestamp": GOING, **owner})
    assert of_claims.uses(pod("web", makes_claim("scratch"), metadata=more), made) is uses


def test_a_pod_that_ends_or_has_no_node_may_free_its_claims():
    assert of_claims.may_free(pod(phase="Failed"))
    assert of_claims.may_free(pod(node=""))
    assert of_claims.may_free(pod(metadata={"deletionTimestamp": GOING, "deletionGracePeriodSeconds": 0}))
    assert not of_claims.may_free(pod())


BOUND = {"phase": "Bound"}
RUNNING = [{"state": {"terminated": {"exitCode": 0}}}, {"state": {"running": {"startedAt": GOING}}}]
STOPPED = [{"state": {"terminated": {"exitCode": 0}}}, {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]


def marked(status):
    conditions = [{"type": "Other", "status": "True"}, {"type": "Unused", "status": status}]
    return claim(status={**BOUND, "conditions": conditions if status else conditions[:1]})


@pytest.mark.parametrize(
    ("user", "unused"),
    [
        (pod("web", names_claim("data")), False),
        (pod("web", names_claim("data"), node=""), False),
        (pod("web", names_claim("data"), phase="Succeeded"), True),
        (pod("web", names_claim("other")), True),
        (pod("web", names_claim("data"), metadata={"deletionTimestamp": GOING}), True),
        (pod("web", names_claim("data"), metadata={"deletionTimestamp": GOING}, containers=RUNNING), False),
        (pod("web", names_claim("data"), metadata={"deletionTimestamp": GOING}, containers=STOPPED), True),
        (pod("web", names_claim("data"), containers=STOPPED), False),
    ],
    ids=[
        "running",
        "without a node",
        "completed",
        "with another claim",
        "going, never started",
        "going, still running",
        "going, stopped",
        "restarting",
    ],
)
@pytest.mark.parametrize("said", ["True", "False", "Unknown", ""])
def test_a_bound_claim_says_whether_a_pod_uses_it(said, user, unused):
    bound = marked(said)
    right = {"True": unused, "False": not unused, "Unknown": not unused, "": False}[said]
    assert of_claims.decide(bound, [user]) == (of_claims.Nothing() if right else of_claims.Mark(bound, unused))
    assert of_claims.decide(bound, [user], marks_unused=False) == of_claims.Nothing()


@pytest.mark.parametrize("phase", ["Pending", "Lost"])
def test_only_a_bound_claim_says_so(phase):
    assert of_claims.decide(claim(status={"phase": phase}), ()) == of_claims.Nothing()


def test_the_other_conditions_stay():
    written = conditions(marked("True"), "now", unused=False)
    assert written[0] == {"type": "Other", "status": "True"}
    assert written[1].items() >= {"type": "Unused", "status": "False", "lastTransitionTime": "now"}.items()
    assert len(written) == 2


async def test_one_list_answers_for_all_claims_that_go_and_each_answer_is_given_once():
    listed = []
    going = [claim(name, metadata={"deletionTimestamp": GOING}) for name in ("a", "b")]
    user = pod("web", names_claim("b"))

    async def list_pods(namespace):
        listed.append(namespace)
        return [user]

    live = LivePods(list_pods, lambda namespace: going)
    assert [await live.user_of(each) for each in going] == [None, user]
    assert listed == ["ns"]
    assert await live.user_of(going[0]) is None
    assert listed == ["ns", "ns"]


async def test_a_claim_seen_to_go_after_the_list_is_asked_for_anew():
    pods = []
    first, second = (claim(name, metadata={"deletionTimestamp": GOING}) for name in ("a", "b"))

    async def list_pods(namespace):
        return list(pods)

    live = LivePods(list_pods, lambda namespace: ())
    assert await live.user_of(first) is None
    pods.append(pod("web", names_claim("b")))
    assert await live.user_of(second) == pods[0]


async def test_answers_nobody_asks_for_are_not_kept_for_ever():
    going = claim("unasked", metadata={"deletionTimestamp": GOING})

    async def list_pods(namespace):
        return []

    live = LivePods(list_pods, lambda namespace: [going])
    for number in range(2 * MAX_NAMESPACES):
        await live.user_of(claim("a", metadata={"namespace": f"ns{number}", "deletionTimestamp": GOING}))
    assert len(live._users) == MAX_NAMESPACES


def test_a_volume_without_the_finalizer_gets_it():
    bare = volume(metadata={"finalizers": None})
    assert of_volumes.decide(bare) == of_volumes.Protect(bare)


def test_a_volume_that_stays_is_left_alone():
    assert of_volumes.decide(volume()) == of_volumes.Nothing()


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        ("Pending", of_volumes.Release),
        ("Available", of_volumes.Release),
        ("Bound", of_volumes.Keep),
        ("Released", of_volumes.Release),
        ("Failed", of_volumes.Release),
    ],
)
def test_only_the_phase_keeps_a_volume(phase, action):
    reference = {"claimRef": {"namespace": "ns", "name": "data", "uid": "uid-data"}}
    leaving = volume(metadata={"deletionTimestamp": GOING}, spec=reference, status={"phase": phase})
    assert of_volumes.decide(leaving) == action(leaving)


def test_a_finalizer_comes_and_goes_beside_those_of_others():
    held = claim(metadata={"finalizers": ["a.example/x", names.CLAIM_PROTECTION, "b.example/y"]})
    assert finalizers.take_off(held, names.CLAIM_PROTECTION) == {
        "metadata": {"finalizers": ["a.example/x", "b.example/y"]}
    }
    assert finalizers.put_on(claim(metadata={"finalizers": ["a.example/x"]}), names.CLAIM_PROTECTION) == {
        "metadata": {"finalizers": ["a.example/x", names.CLAIM_PROTECTION]}
    }
