"""Which claims are made for a pod, decided without a server."""

from controllers.ephemeral.decide import Create, Foreign, decide, made_for, wants_claims
from tests.controllers.given import GOING, claim, makes_claim, names_claim, owned_by, pod

TEMPLATE = {
    "metadata": {"labels": {"job": "render"}, "annotations": {"keep": "no"}, "name": "ignored", "finalizers": ["x"]},
    "spec": {"accessModes": ["ReadWriteOnce"], "unknownToUs": {"kept": True}},
}


def among(*claims):
    return {each.name: each for each in claims}.get


def test_a_missing_claim_is_made_after_the_template_and_owned_by_the_pod():
    owner = pod("web", makes_claim("scratch", **TEMPLATE), node="")
    (create,) = decide(owner, among())
    assert isinstance(create, Create)
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "uid-web"}
    assert create.body == {
        "metadata": {
            "name": "web-scratch",
            "labels": {"job": "render"},
            "annotations": {"keep": "no"},
            "ownerReferences": [reference | {"controller": True, "blockOwnerDeletion": True}],
        },
        "spec": TEMPLATE["spec"],
    }


def test_a_claim_that_is_there_is_left_alone_even_if_it_goes():
    own = claim("web-scratch", metadata=owned_by("uid-web"))
    going = claim("web-other", metadata=owned_by("uid-web") | {"deletionTimestamp": GOING})
    assert decide(pod("web", makes_claim("scratch"), makes_claim("other")), among(own, going)) == ()


def test_a_foreign_claim_is_told_of_and_stops_what_comes_behind():
    owner = pod("web", makes_claim("a"), makes_claim("b"), makes_claim("c"))
    foreign = claim("web-b")
    first, second = decide(owner, among(foreign))
    assert isinstance(first, Create)
    assert first.body["metadata"]["name"] == "web-a"
    assert second == Foreign(owner, "b", foreign)


def test_a_pod_on_its_way_out_and_ordinary_volumes_get_none():
    assert decide(pod("web", makes_claim("a"), metadata={"deletionTimestamp": GOING}), among()) == ()
    assert decide(pod("web", names_claim("data"), {"name": "tmp"}), among()) == ()


def test_only_the_claim_that_this_very_pod_manages_is_its_own():
    assert made_for(pod(), claim(metadata=owned_by("uid-web")))
    assert not made_for(pod(), claim(metadata=owned_by("uid-earlier")))
    assert not made_for(pod(), claim(metadata=owned_by("uid-web", controller=False)))
    assert not made_for(pod(), claim(metadata=owned_by("uid-web") | {"namespace": "elsewhere"}))


def test_which_pods_are_worth_a_look():
    assert wants_claims(pod("web", makes_claim("a")))
    assert not wants_claims(pod("web", names_claim("a")))
    assert not wants_claims(pod("web", makes_claim("a"), metadata={"deletionTimestamp": GOING}))
