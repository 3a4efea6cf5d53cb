"""What a server says of itself: discovery, OpenAPI, tables and partial objects, health and version."""

import asyncio

import pytest

from tests.contract.servers import TABLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


async def test_health_and_version_are_told(api):
    for path in ("/healthz", "/livez", "/readyz"):
        assert (await api.call("GET", path)).body == "ok"
    version = (await api.call("GET", "/version")).body
    assert (version["major"], version["minor"]) == ("1", "37")


async def test_every_resource_is_found_by_discovery(api):
    core = (await api.call("GET", "/api/v1")).body
    assert (core["kind"], core["groupVersion"]) == ("APIResourceList", "v1")
    by_name = {each["name"]: each for each in core["resources"]}
    claims = by_name["persistentvolumeclaims"]
    assert (claims["singularName"], claims["namespaced"], claims["kind"], claims["shortNames"]) == (
        *("persistentvolumeclaim", True),
        *("PersistentVolumeClaim", ["pvc"]),
    )
    assert {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} == set(claims["verbs"])
    assert by_name["persistentvolumeclaims/status"]["verbs"] == ["get", "patch", "update"]
    storage = (await api.call("GET", "/apis/storage.k8s.io")).body
    assert (storage["kind"], storage["preferredVersion"]["version"]) == ("APIGroup", "v1")


async def test_discovery_has_an_aggregated_form(api):
    core, groups = await asyncio.gather(
        api.call("GET", "/api", accept=AGGREGATED), api.call("GET", "/apis", accept=AGGREGATED)
    )
    assert (core.body["kind"], groups.body["kind"]) == ("APIGroupDiscoveryList", "APIGroupDiscoveryList")
    storage = next(each for each in groups.body["items"] if each["metadata"]["name"] == "storage.k8s.io")
    resources = {each["resource"]: each for each in storage["versions"][0]["resources"]}
    assert (resources["csinodes"]["scope"], resources["csinodes"]["responseKind"]["kind"]) == ("Cluster", "CSINode")


@pytest.mark.controlplane
async def test_the_sandbox_serves_what_a_real_server_serves(sandbox_api, kubernetes_api):
    """Every resource of the sandbox is one of the real server, with the same names, verbs and subresources."""
    ours = await _resources(sandbox_api)
    theirs = await _resources(kubernetes_api)
    custom = {key for key in ours if "example.com" in key[0]}
    assert {key: value for key, value in ours.items() if key not in custom} == {
        key: theirs.get(key) for key in ours if key not in custom
    }


async def _resources(api):
    groups = (await api.call("GET", "/apis")).body["groups"]
    paths = ["/api/v1", *(f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"])]
    found = {}
    for answer in await asyncio.gather(*(api.call("GET", path) for path in paths)):
        for each in answer.body["resources"]:
            facts = {key: value for key, value in each.items() if key not in ("name", "storageVersionHash")}
            facts["verbs"] = sorted(facts["verbs"])
            found[answer.body["groupVersion"], each["name"]] = facts
    return found


@pytest.mark.controlplane
async def test_the_sandbox_knows_the_fields_of_a_real_server(sandbox_api, kubernetes_api):
    """Fields, types, merge keys and list types, as OpenAPI v3 tells them."""
    for path in ("api/v1", "apis/storage.k8s.io/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"):
        ours, theirs = await asyncio.gather(*(_schemas(each, path) for each in (sandbox_api, kubernetes_api)))
        shared = ours.keys() & theirs.keys()
        assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}
        assert any("PersistentVolume" in name for name in shared) or path != "api/v1"


async def _schemas(api, path):
    document = (await api.call("GET", f"/openapi/v3/{path}", accept="application/json")).body
    return {
        name: {field: _facts(each) for field, each in schema.get("properties", {}).items()}
        for name, schema in document["components"]["schemas"].items()
    }


def _facts(field):
    wanted = (
        "type",
        "x-kubernetes-patch-merge-key",
        "x-kubernetes-patch-strategy",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    )
    return {key: field[key] for key in wanted if key in field}


@pytest.mark.parametrize(
    ("resource", "columns"),
    [
        ("configmaps", ["Name", "Data", "Age"]),
        (
            "persistentvolumeclaims",
            [
                *("Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass"),
                *("Age", "VolumeMode"),
            ],
        ),
        (
            "persistentvolumes",
            [
                *("Name", "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass"),
                *("VolumeAttributesClass", "Reason", "Age", "VolumeMode"),
            ],
        ),
        (
            "storageclasses",
            ["Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"],
        ),
        ("csinodes", ["Name", "Drivers", "Age"]),
        ("volumeattachments", ["Name", "Attacher", "PV", "Node", "Attached", "Age"]),
        (
            "pods",
            [
                *("Name", "Ready", "Status", "Restarts", "Age"),
                *("IP", "Node", "Nominated Node", "Readiness Gates"),
            ],
        ),
    ],
)
async def test_tables_have_the_columns_that_kubectl_users_know(place, resource, columns):
    table = (await place.list(resource, accept=TABLE)).body
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [each["name"] for each in table["columnDefinitions"]] == columns


async def test_a_row_has_the_cells_and_the_metadata_of_its_object(place):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast"}
    await place.made("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": spec})
    row = (await place.list("persistentvolumeclaims", accept=TABLE)).body["rows"][0]
    assert row["cells"][:7] == ["c", "Pending", "", "", "", "fast", "<unset>"]
    assert row["cells"][8] == "Filesystem"
    assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "c")
    one = (await place.get("persistentvolumeclaims", "c", accept=TABLE, includeObject="Object")).body
    assert one["rows"][0]["object"]["spec"]["storageClassName"] == "fast"
    none = (await place.get("persistentvolumeclaims", "c", accept=TABLE, includeObject="None")).body
    assert none["rows"][0].get("object") is None


async def test_metadata_can_be_had_alone(place):
    await place.made("configmaps", {"metadata": {"name": "a"}, "data": {"x": "1"}})
    one = (await place.get("configmaps", "a", accept=PARTIAL)).body
    assert (one["kind"], one["apiVersion"], "data" in one) == ("PartialObjectMetadata", "meta.k8s.io/v1", False)
    many = (await place.list("configmaps", accept=PARTIAL_LIST)).body
    assert (many["kind"], many["items"][0]["metadata"]["name"]) == ("PartialObjectMetadataList", "a")


async def test_a_form_that_nobody_has_is_refused(place):
    answer = await place.list("configmaps", accept="text/html")
    assert (answer.status, answer.body["reason"]) == (406, "NotAcceptable")


@pytest.mark.parametrize("path", ["/apis/nowhere.example.com", "/apis/storage.k8s.io/v9", "/api/v1/nothings"])
async def test_what_is_not_served_is_not_found(api, path):
    assert (await api.call("GET", path)).status == 404


async def test_nobody_is_served_without_a_name(api):
    answer = await api.call("GET", "/api/v1/namespaces", headers={"Authorization": "Bearer nonsense"})
    assert answer.refusal[:2] == (401, "Unauthorized")


async def test_an_access_review_tells_what_the_administrator_may(api):
    review = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": "default"}}}
    answer = await api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert (answer.status, answer.body["status"]["allowed"]) == (201, True)
