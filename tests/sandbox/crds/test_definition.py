"""What may be defined, and what a definition then serves."""

import copy

import pytest

from sandbox.crds import (
    establish,
    kinds_of,
    set_definition_defaults,
    validate_definition,
    validate_definition_change,
)
from sandbox.kinds import Kinds

NOW = "2026-01-02T03:04:05Z"
REPLICAS = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}
GADGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.demo.io", "creationTimestamp": NOW},
    "spec": {
        "group": "demo.io",
        "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"]},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"},
                },
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}},
            }
        ],
    },
}


def define(**changes):
    """The definition, defaulted, with paths like spec__scope set (or, with None, removed)."""
    definition = copy.deepcopy(GADGETS)
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = definition
        for each in parents:
            node = node[int(each) if each.isdigit() else each]
        if value is None:
            del node[last]
        else:
            node[last] = value
    set_definition_defaults(definition)
    return definition


def define_field(**schema):
    return define(spec__versions__0__schema={"openAPIV3Schema": {"type": "object", "properties": {"a": schema}}})


ROOT = "spec.validation.openAPIV3Schema"
FIELD = f"{ROOT}.properties[a]"
STRUCTURAL = "Forbidden: must be empty to be structural"

REFUSED = {
    "another name": (define(metadata__name="x"), "metadata.name", 'must be spec.names.plural+"."+spec.group'),
    "no group": (define(spec__group=""), "spec.group", "Required value"),
    "a group without a dot": (define(spec__group="x"), "spec.group", "should be a domain with at least one dot"),
    "a protected group": (
        define(spec__group="x.k8s.io"),
        "metadata.annotations[api-approved.kubernetes.io]",
        "Required value",
    ),
    "no scope": (define(spec__scope=None), "spec.scope", "Required value"),
    "an unknown scope": (define(spec__scope="Global"), "spec.scope", 'supported values: "Cluster", "Namespaced"'),
    "no kind": (define(spec__names__kind=None), "spec.names.kind", "Required value"),
    "a short name that is none": (define(spec__names__shortNames=["A B"]), "spec.names.shortNames[0]", "DNS-1035"),
    "the list named like its items": (define(spec__names__listKind="Gadget"), "spec.names.listKind", "not be the same"),
    "nothing stored": (define(spec__versions__0__storage=False), "spec.versions", "exactly one version"),
    "a version that is no name": (define(spec__versions__0__name="V_1"), "spec.versions[0].name", "DNS-1035"),
    "no schema": (define(spec__versions__0__schema=None), "spec.versions[0].schema.openAPIV3Schema", "Required value"),
    "conversion by a webhook": (
        define(spec__conversion={"strategy": "Webhook"}),
        "spec.conversion.strategy",
        'supported values: "None"',
    ),
    "a column without a name": (
        define(spec__versions__0__additionalPrinterColumns=[{"type": "string", "jsonPath": ".a"}]),
        "spec.additionalPrinterColumns[0].name",
        "Required value",
    ),
    "a column that leads nowhere": (
        define(spec__versions__0__additionalPrinterColumns=[{"name": "A", "type": "string", "jsonPath": "a"}]),
        "spec.additionalPrinterColumns[0].JSONPath",
        "must be a simple json path starting with .",
    ),
    "replicas outside of spec": (
        define(spec__versions__0__subresources__scale__specReplicasPath=".a"),
        "spec.subresources.scale.specReplicasPath",
        "should be a json path under .spec",
    ),
    "a root without a type": (
        define(spec__versions__0__schema={"openAPIV3Schema": {}}),
        f"{ROOT}.type",
        "must not be empty at the root",
    ),
    "a field without a type": (define_field(), f"{FIELD}.type", "must not be empty for specified object fields"),
    "an unknown type": (define_field(type="strin"), f"{FIELD}.type", 'Unsupported value: "strin"'),
    "a list of anything": (define_field(type="array"), f"{FIELD}.items", "Required value: must be specified"),
    "a reference": (define_field(**{"type": "object", "$ref": "#/x"}), f"{FIELD}.$ref", "$ref is not supported"),
    "properties and more": (
        define_field(type="object", properties={"x": {"type": "string"}}, additionalProperties={"type": "string"}),
        f"{FIELD}.additionalProperties",
        "additionalProperties and properties are mutual exclusive",
    ),
    "a pattern that is none": (
        define_field(type="string", pattern="("),
        f"{FIELD}.pattern",
        "valid regular expression",
    ),
    "a default of another type": (define_field(type="string", default=1), f"{FIELD}.default", "must be of type string"),
    "a default that would be pruned": (
        define_field(type="object", default={"x": 1}),
        f"{FIELD}.default",
        "must not have unknown fields",
    ),
    "structure in a combination": (
        define_field(type="object", allOf=[{"type": "object"}]),
        f"{FIELD}.allOf[0].type",
        STRUCTURAL,
    ),
    "a map without keys": (
        define_field(**{"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
        f"{FIELD}.x-kubernetes-list-map-keys",
        "must not be empty if x-kubernetes-list-type is map",
    ),
    "metadata described": (
        define(
            spec__versions__0__schema={
                "openAPIV3Schema": {
                    "type": "object",
                    "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}},
                }
            }
        ),
        f"{ROOT}.properties[metadata]",
        "must not specify anything other than name and generateName",
    ),
}


@pytest.mark.parametrize(("definition", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_a_definition_that_would_not_work_is_refused(definition, field, words):
    objections = {error.field: error.body for error in validate_definition(definition)}
    assert words in objections[field]


def test_a_good_definition_has_no_objections():
    assert validate_definition(define()) == []


@pytest.mark.parametrize("path", ["spec__scope", "spec__names__kind"])
def test_what_objects_are_known_by_can_not_be_changed(path):
    objections = validate_definition_change(define(**{path: "Cluster"}), define())
    assert [error.detail for error in objections] == ["field is immutable"]


def established(definition, kinds=None):
    return definition | {"status": establish(definition, kinds or Kinds(), NOW)}


def test_a_definition_is_established_and_served():
    definition = established(define())
    conditions = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert definition["status"]["storedVersions"] == ["v1"]
    (kind,) = kinds_of(definition)
    assert (kind.api_version, kind.kind, kind.list_kind, kind.resource) == (
        *("demo.io/v1", "Gadget", "GadgetList"),
        "gadgets.demo.io",
    )
    assert [each.name for each in kind.subresources] == ["status", "scale"]


def test_establishing_again_changes_nothing():
    once = established(define())
    assert establish(once, Kinds(), "2030-01-01T00:00:00Z") == once["status"]


def test_a_definition_whose_name_is_taken_is_not_served():
    kinds = Kinds()
    kinds.define("gadgets.demo.io", kinds_of(established(define())))
    rival = define(metadata__name="others.demo.io", spec__names__plural="others", spec__names__singular="other")
    status = establish(rival, kinds, NOW)
    accepted = next(each for each in status["conditions"] if each["type"] == "NamesAccepted")
    assert (accepted["status"], accepted["reason"], accepted["message"]) == (
        *("False", "ShortNamesConflict"),
        '"gd" is already in use',
    )
    assert kinds_of(rival | {"status": status}) == []


def test_a_definition_can_not_take_the_place_of_a_built_in_kind():
    names = {"plural": "storageclasses", "kind": "Class"}
    rival = define(metadata__name="storageclasses.storage.k8s.io", spec__group="storage.k8s.io", spec__names=names)
    assert kinds_of(established(rival)) == []


def test_the_most_stable_version_is_preferred():
    definition = define()
    (version,) = definition["spec"]["versions"]
    names = ["v1alpha1", "v2beta1", "foo", "v1", "v10", "v2"]
    definition["spec"]["versions"] = [version | {"name": name, "storage": name == "v1"} for name in names]
    kinds = kinds_of(established(definition))
    assert [kind.version for kind in kinds] == ["v10", "v2", "v1", "v2beta1", "v1alpha1", "foo"]
    assert {(kind.stored_resource, kind.stored_version) for kind in kinds} == {("gadgets.demo.io", "demo.io/v1")}


def test_a_deprecated_version_warns():
    definition = define(spec__versions__0__deprecated=True)
    (kind,) = kinds_of(established(definition))
    assert kind.custom.deprecation == "demo.io/v1 Gadget is deprecated"
