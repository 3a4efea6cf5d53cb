"""Discovery says what kubectl has to know, custom kinds included."""

from sandbox import discovery
from sandbox.kinds import SCALE, STATUS, Custom, Kind, Kinds
from sandbox.schema.structural import root_schema

GADGETS = [
    Kind(
        "demo.io",
        version,
        "gadgets",
        "gadget",
        "Gadget",
        namespaced=True,
        short_names=("gd",),
        categories=("all",),
        subresources=(STATUS, SCALE),
        custom=Custom(root_schema({})),
    )
    for version in ("v1", "v1beta1")
]


def test_the_core_group_has_its_own_place():
    kinds = Kinds()
    assert discovery.api_versions("here")["versions"] == ["v1"]
    assert "" not in [group["name"] for group in discovery.api_groups(kinds)["groups"]]
    assert [item["metadata"] for item in discovery.aggregated(kinds, core=True)["items"]] == [{}]


def test_both_forms_name_the_same_resources():
    kinds = Kinds()
    plain = {
        (group, entry["name"])
        for group, (version, *_) in kinds.groups().items()
        for entry in discovery.api_resources(kinds, group, version)["resources"]
    }
    aggregated = {
        (item["metadata"].get("name", ""), name)
        for core in (True, False)
        for item in discovery.aggregated(kinds, core=core)["items"]
        for resource in item["versions"][0]["resources"]
        for name in (
            resource["resource"],
            *(f"{resource['resource']}/{each['subresource']}" for each in resource.get("subresources", ())),
        )
    }
    assert plain == aggregated


def test_a_resource_is_described_as_kubectl_reads_it():
    resources = discovery.api_resources(Kinds(), "", "v1")["resources"]
    by_name = {entry["name"]: entry for entry in resources}
    assert by_name["persistentvolumeclaims"] == {
        "name": "persistentvolumeclaims",
        "singularName": "persistentvolumeclaim",
        "namespaced": True,
        "kind": "PersistentVolumeClaim",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["pvc"],
    }
    assert by_name["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    }


def test_a_custom_kind_is_found_while_it_is_defined():
    kinds = Kinds()
    kinds.define("gadgets.demo.io", GADGETS)
    group = discovery.api_group(kinds, "demo.io")
    assert group["preferredVersion"] == {"groupVersion": "demo.io/v1", "version": "v1"}
    assert [each["version"] for each in group["versions"]] == ["v1", "v1beta1"]
    items = {each["metadata"].get("name"): each for each in discovery.aggregated(kinds, core=False)["items"]}
    resource = items["demo.io"]["versions"][0]["resources"][0]
    assert (resource["shortNames"], resource["categories"]) == (["gd"], ["all"])
    assert [each["responseKind"]["kind"] for each in resource["subresources"]] == ["Gadget", "Scale"]
    kinds.withdraw("gadgets.demo.io")
    assert discovery.api_group(kinds, "demo.io") is None


def test_what_is_not_served_is_not_described():
    kinds = Kinds()
    assert discovery.api_group(kinds, "") is None
    assert discovery.api_group(kinds, "nothing.io") is None
    assert discovery.api_resources(kinds, "", "v2") is None


def test_every_short_name_means_one_kind():
    names = [(kind.group, name) for kind in Kinds() for name in kind.short_names]
    assert len(names) == len(set(names))
