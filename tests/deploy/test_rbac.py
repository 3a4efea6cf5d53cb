"""What the roles look like; whether they fit is in test_calls.py."""

import itertools

import pytest

from controllers.table import ROWS
from deploy.rbac import CONTROLLERS, Component, Mode, Names, grants, roles
from model.meta import JSON

NAMES = Names("rel", "home")
ALL = [
    pytest.param(roles(component, mode=mode, own_certificates=own, names=NAMES), id=f"{component}-{mode}-{bool(own)}")
    for component, mode, own in itertools.product(Component, Mode, (tuple(Component), ()))
]


def of_kind(manifests: list[JSON], *kinds: str) -> list[JSON]:
    return [each for each in manifests if each["kind"] in kinds]


def rules(manifests: list[JSON], kind: str) -> list[JSON]:
    return [rule for each in of_kind(manifests, kind) for rule in each["rules"]]


@pytest.mark.parametrize("manifests", ALL)
def test_nothing_is_granted_by_wildcard_nor_for_nothing(manifests: list[JSON]) -> None:
    for rule in rules(manifests, "ClusterRole") + rules(manifests, "Role"):
        assert rule["apiGroups"]
        assert rule["resources"]
        assert rule["verbs"]
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"impersonate", "escalate", "bind", "deletecollection"} & set(rule["verbs"])


@pytest.mark.parametrize("manifests", ALL)
def test_secrets_and_leases_are_granted_by_name_in_our_namespace(manifests: list[JSON]) -> None:
    for rule in rules(manifests, "ClusterRole"):
        assert not {"secrets", "leases"} & set(rule["resources"])
    for rule in rules(manifests, "Role"):
        if {"secrets", "leases"} & set(rule["resources"]):
            assert rule["verbs"] == ["create"] or rule["resourceNames"]


@pytest.mark.parametrize("manifests", ALL)
def test_every_role_is_bound_to_the_account_that_comes_with_it(manifests: list[JSON]) -> None:
    (account,) = of_kind(manifests, "ServiceAccount")
    subject = {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "home"}
    for role in of_kind(manifests, "ClusterRole", "Role"):
        where = role["metadata"].get("namespace")
        bindings = of_kind(manifests, f"{role['kind']}Binding")
        (binding,) = [each for each in bindings if each["metadata"].get("namespace") == where]
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role["kind"],
            "name": role["metadata"]["name"],
        }
        assert binding["subjects"] == [subject]
    assert all(each["metadata"]["namespace"] for each in of_kind(manifests, "Role", "RoleBinding"))


def test_beside_the_stock_components_the_extender_writes_events_alone() -> None:
    verbs = {verb for each in grants(Component.EXTENDER, mode=Mode.BESIDE) for verb in each.verbs}
    assert verbs == {"list", "watch", "create", "patch"}
    written = {each.plural for each in grants(Component.EXTENDER, mode=Mode.BESIDE) if "patch" in each.verbs}
    assert written == {"events"}


def test_certificates_that_somebody_else_keeps_take_no_secrets() -> None:
    for component in (Component.WEBHOOKS, Component.EXTENDER):
        assert not of_kind(roles(component, mode=Mode.BESIDE, own_certificates=()), "Role", "RoleBinding")


def test_the_extender_keeps_no_certificates_itself_unless_it_is_said() -> None:
    silent = roles(Component.EXTENDER, mode=Mode.BESIDE)
    assert not of_kind(silent, "Role", "RoleBinding")
    own = roles(Component.EXTENDER, mode=Mode.BESIDE, own_certificates=[Component.EXTENDER], names=NAMES)
    assert ["rel-webhook-ca"] in [rule.get("resourceNames") for rule in rules(own, "Role")]
    found = [rule for rule in rules(own, "ClusterRole") if "validatingwebhookconfigurations" in rule["resources"]]
    assert [(rule["resourceNames"], rule["verbs"]) for rule in found] == [(["rel"], ["get"])]


def test_of_the_registrations_only_our_own_may_be_patched() -> None:
    found = [
        rule
        for rule in rules(roles(Component.WEBHOOKS, names=NAMES), "ClusterRole")
        if "mutatingwebhookconfigurations" in rule["resources"]
    ]
    assert found == [
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            "resourceNames": ["rel"],
            "verbs": ["get", "list", "patch", "watch"],
        }
    ]


def test_only_the_chosen_controllers_are_granted_anything() -> None:
    assert grants(Component.CONTROLLERS, controllers=()) == ()
    for name in ROWS:
        leases = rules(roles(Component.CONTROLLERS, controllers=[name], names=NAMES), "Role")
        assert ["rel-controllers"] in [rule.get("resourceNames") for rule in leases]
    with pytest.raises(KeyError):
        roles(Component.CONTROLLERS, controllers=["nonsense"])


def test_every_controller_has_its_row() -> None:
    assert CONTROLLERS.keys() >= ROWS.keys()
