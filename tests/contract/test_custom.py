"""Kinds that a CustomResourceDefinition adds: pruned, defaulted, judged, shown, and gone with it."""

import asyncio
import copy

import pytest
import pytest_asyncio

from tests.contract.servers import APPLY, MERGE, STRATEGIC, TABLE, Place
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCHEMA = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "string", "enum": ["S", "M", "L"]},
                "count": {"type": "integer", "minimum": 0, "maximum": 5, "default": 1},
                "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
                "when": {"type": "string", "format": "date-time"},
                "ratio": {"type": "number", "multipleOf": 0.5},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "x-kubernetes-list-type": "set"},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["id"],
                    "items": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {"id": {"type": "string"}, "on": {"type": "boolean", "default": True}},
                    },
                },
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "either": {"x-kubernetes-int-or-string": True},
                "none": {"type": "string", "nullable": True},
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}
COLUMNS = [
    {"name": "Size", "type": "string", "jsonPath": ".spec.size", "description": "how big"},
    {"name": "Count", "type": "integer", "jsonPath": ".spec.count", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]
DEFINITION = {
    "metadata": {"name": "gadgets.contract.example.com"},
    "spec": {
        "group": "contract.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gdg"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": SCHEMA},
                "subresources": {
                    "status": {},
                    "scale": {"specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count"},
                },
                "additionalPrinterColumns": COLUMNS,
            }
        ],
    },
}


async def _established(place, name):
    async def conditions():
        definition = (await place.get("customresourcedefinitions", name)).body
        told = {each["type"]: each["status"] for each in definition.get("status", {}).get("conditions") or ()}
        return definition if told.get("Established") == "True" else None

    return await eventually(conditions)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def defined(api):
    """The definition, served."""
    place = await Place.make(api)
    await place.made("customresourcedefinitions", DEFINITION)
    definition = await _established(place, "gadgets.contract.example.com")

    async def served():
        return (await place.list("gadgets")).status == 200

    await eventually(served)
    yield definition
    await place.clean()


@pytest.fixture
def gadgets(defined, place):
    return place


def _gadget(name="g", **spec):
    return {
        "apiVersion": "contract.example.com/v1",
        "kind": "Gadget",
        "metadata": {"name": name},
        "spec": {"size": "M"} | spec,
    }


async def test_a_definition_is_completed_and_established(defined):
    spec, status = defined["spec"], defined["status"]
    assert spec["names"] == {
        "plural": "gadgets",
        "singular": "gadget",
        "kind": "Gadget",
        "listKind": "GadgetList",
        "shortNames": ["gdg"],
    }
    assert (spec["conversion"], status["acceptedNames"], status["storedVersions"]) == (
        *({"strategy": "None"}, spec["names"]),
        ["v1"],
    )
    conditions = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    assert conditions == {"NamesAccepted": ("True", "NoConflicts"), "Established": ("True", "InitialNamesAccepted")}


async def test_objects_are_pruned_and_defaulted(gadgets):
    sent = _gadget(colour="red", parts=[{"id": "a", "odd": 1}, {"id": "b", "on": False}], free={"any": [1]}, none=None)
    made = await gadgets.create("gadgets", sent | {"more": 1})
    assert made.status == 201
    assert made.body["spec"] == {
        "size": "M",
        "count": 1,
        "parts": [{"id": "a", "on": True}, {"id": "b", "on": False}],
        "free": {"any": [1]},
        "none": None,
    }
    assert ("more" in made.body, made.body["metadata"]["generation"]) == (False, 1)
    assert set(made.warnings) == {
        'unknown field "more"',
        'unknown field "spec.colour"',
        'unknown field "spec.parts[0].odd"',
    }


async def test_unknown_fields_can_be_refused(gadgets):
    answer = await gadgets.create("gadgets", _gadget(colour="red"), fieldValidation="Strict")
    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "spec.colour"' in answer.body["message"]


WRONG = {
    "enum": (
        {"size": "XXL"},
        ("spec.size", "FieldValueNotSupported"),
        'Unsupported value: "XXL": supported values: "S", "M", "L"',
    ),
    "required": ({"size": None}, ("spec.size", "FieldValueRequired"), "Required value"),
    "minimum": (
        {"count": -1},
        ("spec.count", "FieldValueInvalid"),
        "Invalid value: -1: spec.count in body should be greater than or equal to 0",
    ),
    "maximum": (
        {"count": 9},
        ("spec.count", "FieldValueInvalid"),
        "Invalid value: 9: spec.count in body should be less than or equal to 5",
    ),
    "type": (
        {"count": "two"},
        ("spec.count", "FieldValueTypeInvalid"),
        'Invalid value: "string": spec.count in body must be of type integer: "string"',
    ),
    "short": (
        {"name": "a"},
        ("spec.name", "FieldValueInvalid"),
        'Invalid value: "a": spec.name in body should be at least 2 chars long',
    ),
    "long": ({"name": "abcdef"}, ("spec.name", "FieldValueTooLong"), "Too long: may not be more than 5 bytes"),
    "pattern": (
        {"name": "A1"},
        ("spec.name", "FieldValueInvalid"),
        "Invalid value: \"A1\": spec.name in body should match '^[a-z]+$'",
    ),
    "format": (
        {"when": "noon"},
        ("spec.when", "FieldValueTypeInvalid"),
        'Invalid value: "noon": spec.when in body must be of type date-time: "noon"',
    ),
    "items": ({"tags": ["a", "b", "c"]}, ("spec.tags", "FieldValueTooMany"), "Too many: 3: must have at most 2 items"),
    "set": ({"tags": ["a", "a"]}, ("spec.tags[1]", "FieldValueDuplicate"), 'Duplicate value: "a"'),
    "map": (
        {"parts": [{"id": "a"}, {"id": "a"}]},
        ("spec.parts[1]", "FieldValueDuplicate"),
        'Duplicate value: {"id":"a"}',
    ),
    "key": ({"parts": [{}]}, ("spec.parts[0].id", "FieldValueRequired"), "Required value"),
    "value": (
        {"labels": {"a": 1}},
        ("spec.labels.a", "FieldValueTypeInvalid"),
        'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
    ),
    "either": (
        {"either": True},
        ("spec.either", "FieldValueTypeInvalid"),
        'Invalid value: "boolean": spec.either in body must be of type integer,string: "boolean"',
    ),
    "multiple": (
        {"ratio": 0.3},
        ("spec.ratio", "FieldValueInvalid"),
        "Invalid value: 0.3: spec.ratio in body should be a multiple of 0.5",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_object_is_judged_by_its_schema(gadgets, wrong):
    spec, cause, message = WRONG[wrong]
    body = _gadget()
    body["spec"] = {key: value for key, value in (body["spec"] | spec).items() if value is not None}
    answer = await gadgets.create("gadgets", body)
    assert answer.verdict[:2] == (422, "Invalid")
    assert cause in answer.verdict[2]
    assert message in answer.messages


async def test_status_and_scale_are_subresources(gadgets):
    made = await gadgets.made("gadgets", _gadget() | {"status": {"ready": True}})
    assert "status" not in made
    ready = await gadgets.patch("gadgets", "g", {"status": {"ready": True}, "spec": {"count": 3}}, subresource="status")
    assert (ready.body["status"], ready.body["spec"]["count"]) == ({"ready": True}, 1)
    kept = await gadgets.patch("gadgets", "g", {"status": None, "spec": {"count": 2}})
    assert (kept.body["status"], kept.body["metadata"]["generation"]) == ({"ready": True}, 2)
    scale = await gadgets.get("gadgets", "g", "scale")
    assert (scale.body["kind"], scale.body["spec"]) == ("Scale", {"replicas": 2})


async def test_patches_of_a_custom_object(gadgets):
    await gadgets.made("gadgets", _gadget(parts=[{"id": "a"}]))
    merged = await gadgets.patch("gadgets", "g", {"spec": {"parts": [{"id": "b"}]}}, MERGE)
    assert merged.body["spec"]["parts"] == [{"id": "b", "on": True}]
    assert (await gadgets.patch("gadgets", "g", {}, STRATEGIC)).status == 415
    applied = await gadgets.patch("gadgets", "g", _gadget(parts=[{"id": "c"}]), APPLY, fieldManager="m", force="true")
    assert [each["id"] for each in applied.body["spec"]["parts"]] == ["b", "c"]


async def test_columns_are_those_of_the_definition(gadgets):
    await gadgets.made("gadgets", _gadget(count=4))
    table = (await gadgets.list("gadgets", accept=TABLE)).body
    columns = [(each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]]
    assert columns == [("Name", "string", 0), ("Size", "string", 0), ("Count", "integer", 1), ("Age", "date", 0)]
    assert table["rows"][0]["cells"][:3] == ["g", "M", 4]


async def test_items_of_a_list_say_what_they_are(gadgets):
    await gadgets.made("gadgets", _gadget())
    listed = await gadgets.list("gadgets")
    assert (listed.body["kind"], listed.body["items"][0]["kind"]) == ("GadgetList", "Gadget")


async def test_a_custom_object_is_watched_and_selected(gadgets):
    version = (await gadgets.list("gadgets")).version
    options = {"resourceVersion": version, "fieldSelector": "metadata.name=b"}
    async with gadgets.api.watch(gadgets.path("gadgets"), **options) as watch:
        for name in ("a", "b"):
            await gadgets.made("gadgets", _gadget(name))
        await gadgets.delete("gadgets", "b")
        assert await watch.shown(2) == [("ADDED", "b"), ("DELETED", "b")]


async def test_what_was_wrong_before_may_stay_wrong(gadgets):
    """A stored object stays writable when its schema becomes stricter, as long as what is wrong is not touched."""
    name = f"things-{gadgets.namespace}.contract.example.com"
    definition = _other(gadgets, name)
    await gadgets.made("customresourcedefinitions", definition)
    path = f"/apis/contract.example.com/v1/namespaces/{gadgets.namespace}/{name.partition('.')[0]}"
    thing = {
        "apiVersion": "contract.example.com/v1",
        "kind": definition["spec"]["names"]["kind"],
        "metadata": {"name": "t"},
    }

    async def made():
        answer = await gadgets.api.call("POST", path, thing | {"spec": {"size": "XL", "count": 1}})
        return answer.status == 201

    await eventually(made)
    stricter = copy.deepcopy(definition["spec"]["versions"])
    stricter[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["size"]["enum"] = ["S"]
    assert (await gadgets.patch("customresourcedefinitions", name, {"spec": {"versions": stricter}})).status == 200

    async def refused():
        answer = await gadgets.api.call(
            "POST", f"{path}?dryRun=All", thing | {"metadata": {"name": "u"}, "spec": {"size": "XL"}}
        )
        return answer.status == 422

    await eventually(refused)
    touched = await gadgets.api.call("PATCH", f"{path}/t", {"spec": {"count": 2}}, content=MERGE)
    assert touched.status == 200
    worse = await gadgets.api.call("PATCH", f"{path}/t", {"spec": {"size": "XXL"}}, content=MERGE)
    assert worse.status == 422


def _other(place, name):
    plural = name.partition(".")[0]
    kind = f"Thing{place.namespace.replace('-', '').capitalize()}"
    definition = {"metadata": {"name": name}, "spec": copy.deepcopy(DEFINITION["spec"])}
    definition["spec"]["names"] = {"plural": plural, "kind": kind}
    schema = {"type": "object", "properties": {"size": {"type": "string"}, "count": {"type": "integer"}}}
    definition["spec"]["versions"] = [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}},
        }
    ]
    return definition


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scope": "Odd"}, "spec.scope"),
        ({"group": "short"}, "spec.group"),
        ({"names": {"plural": "Upper", "kind": "Thing"}}, "metadata.name"),
        ({"versions": []}, "spec.versions"),
    ],
    ids=["scope", "group", "names", "versions"],
)
async def test_a_definition_must_be_one(place, change, field):
    definition = _other(place, f"odd-{place.namespace}.contract.example.com")
    definition["spec"] |= change
    answer = await place.create("customresourcedefinitions", definition)
    assert answer.verdict[:2] == (422, "Invalid")
    assert field in {each for each, _ in answer.verdict[2]}


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "object", "properties": {"a": {}}}, ".properties[a].type"),
        ({"type": "string"}, ".type"),
        ({"type": "object", "properties": {"a": {"type": "array"}}}, ".properties[a].items"),
        ({"type": "object", "properties": {"a": {"type": "string", "default": 1}}}, ".properties[a].default"),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}, ".properties[a].pattern"),
    ],
    ids=["no-type", "root", "no-items", "default", "pattern"],
)
async def test_a_schema_must_be_structural(place, schema, field):
    definition = _other(place, f"odd-{place.namespace}.contract.example.com")
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    answer = await place.create("customresourcedefinitions", definition)
    assert answer.verdict[:2] == (422, "Invalid")
    # A schema that all versions share is told of under the path that it had when definitions had but one.
    assert f"spec.validation.openAPIV3Schema{field}" in {each for each, _ in answer.verdict[2]}


async def test_a_schema_of_one_version_of_many_is_told_of_under_its_path(place):
    definition = _other(place, f"odd-{place.namespace}.contract.example.com")
    second = copy.deepcopy(definition["spec"]["versions"][0]) | {"name": "v2", "storage": False}
    second["schema"]["openAPIV3Schema"] = {"type": "object", "properties": {"a": {}}}
    definition["spec"]["versions"].append(second)
    answer = await place.create("customresourcedefinitions", definition)
    assert "spec.versions[1].schema.openAPIV3Schema.properties[a].type" in {each for each, _ in answer.verdict[2]}


async def test_a_definition_takes_its_objects_with_it(gadgets):
    name = f"gone-{gadgets.namespace}.contract.example.com"
    definition = _other(gadgets, name)
    await gadgets.made("customresourcedefinitions", definition)
    path = f"/apis/contract.example.com/v1/namespaces/{gadgets.namespace}/{name.partition('.')[0]}"

    async def listed():
        return (await gadgets.api.call("GET", path)).status == 200

    await eventually(listed)
    assert (await gadgets.delete("customresourcedefinitions", name)).status == 200

    async def gone():
        answers = await asyncio.gather(gadgets.api.call("GET", path), gadgets.get("customresourcedefinitions", name))
        return {each.status for each in answers} == {404}

    await eventually(gone)
