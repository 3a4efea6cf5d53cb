"""The OpenAPI documents hold what kubectl needs to validate, to patch and to explain."""

import orjson

from sandbox.kinds import Custom, Kind, Kinds
from sandbox.openapi import OpenApi, legacy_protobuf
from sandbox.schema.structural import root_schema

SCHEMA = {"properties": {"spec": {"type": "object", "properties": {"size": {"type": "string"}}}}}
GADGET = Kind("demo.io", "v1", "gadgets", "gadget", "Gadget", namespaced=True, custom=Custom(root_schema(SCHEMA)))


def _document(openapi, path):
    document = openapi.document(path)
    assert document is not None
    return orjson.loads(document.body)


def _references(node):
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref" and isinstance(value, str))
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_index_leads_to_every_group_version_by_its_hash():
    openapi = OpenApi(Kinds())
    paths = openapi.index()["paths"]
    assert {"api/v1", "apis/storage.k8s.io/v1", "apis/apps/v1"} <= paths.keys()
    document = openapi.document("api/v1")
    assert paths["api/v1"]["serverRelativeURL"] == f"/openapi/v3/api/v1?hash={document.digest}"


def test_every_reference_leads_somewhere():
    openapi = OpenApi(Kinds())
    for path in openapi.index()["paths"]:
        document = _document(openapi, path)
        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        assert set(_references(document)) <= known, path


def test_every_kind_has_a_patch_that_leaves_validation_to_the_server():
    document = _document(OpenApi(Kinds()), "apis/storage.k8s.io/v1")
    operation = document["paths"]["/apis/storage.k8s.io/v1/storageclasses/{name}"]["patch"]
    assert "fieldValidation" in [each["name"] for each in operation["parameters"]]
    assert operation["x-kubernetes-group-version-kind"]["kind"] == "StorageClass"
    assert "application/strategic-merge-patch+json" in operation["requestBody"]["content"]


def test_a_custom_kind_is_described_and_changes_nothing_else():
    kinds = Kinds()
    openapi = OpenApi(kinds)
    before = openapi.index()["paths"]
    kinds.define("gadgets.demo.io", [GADGET])
    after = openapi.index()["paths"]
    assert after.keys() - before.keys() == {"apis/demo.io/v1"}
    assert before == {path: after[path] for path in before}
    document = _document(openapi, "apis/demo.io/v1")
    properties = document["components"]["schemas"]["io.demo.v1.Gadget"]["properties"]
    assert properties["spec"]["properties"] == {"size": {"type": "string"}}
    assert "metadata" in properties
    operation = document["paths"]["/apis/demo.io/v1/namespaces/{namespace}/gadgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in operation["requestBody"]["content"]


def test_what_is_not_served_has_no_document():
    assert OpenApi(Kinds()).document("apis/nothing.io/v1") is None


def test_the_old_document_is_empty_and_short():
    assert legacy_protobuf() == b"\x0a\x032.0\x12\x19\x0a\x0aKubernetes\x12\x0bunversioned\x42\x00"
