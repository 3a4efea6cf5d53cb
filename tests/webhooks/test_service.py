"""What an API server, and anybody else, meets at `/mutate` and `/validate`."""

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kube.errors import Unreachable
from model.meta import JSON
from tests.webhooks.cases import admission_cases, compare, view
from tests.webhooks.server import Running, review, running
from webhooks.rules.facts import ClaimNeed, GrantsNeed, Snapshot
from webhooks.settings import parse
from webhooks.wire import MAX_BODY_BYTES

CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "fast"},
    "provisioner": "block.csi.example.com",
    "parameters": {"type": "ssd"},
}


def a_class(**changes: Any) -> JSON:
    return {**CLASS, **changes}


@pytest.fixture
async def server(tmp_path: Path):
    async with running(tmp_path) as started:
        yield started


@pytest.mark.parametrize("case", admission_cases())
async def test_the_cases_hold_over_https(tmp_path: Path, case: JSON) -> None:
    async with running(tmp_path, [each for each in case["context"] if each]) as server:
        compare(case, await server.admit(case))


async def test_a_patch_is_the_base64_of_operations_with_its_type(server: Running) -> None:
    _, answer = await server.post("/mutate", review("CREATE", a_class(parameters={"csi.storage.k8s.io/fsType": "xfs"})))
    assert answer["apiVersion"] == "admission.k8s.io/v1"
    assert answer["kind"] == "AdmissionReview"
    response = answer["response"]
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == [
        {
            "op": "move",
            "from": "/parameters/csi.storage.k8s.io~1fsType",
            "path": "/parameters/csi.storage.k8s.io~1fstype",
        }
    ]
    assert response["auditAnnotations"] == {"rules": "sc-csi-key-spelling"}


async def test_nothing_to_say_is_an_answer_without_patch(server: Running) -> None:
    request = review("CREATE", CLASS)
    assert await server.post("/mutate", request) == (
        200,
        {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": request["request"]["uid"], "allowed": True},
        },
    )


async def test_a_refusal_names_code_reason_message_and_field(server: Running) -> None:
    parameters = {"csi.storage.k8s.io/secret-name": "x", "fstype": "a", "FsType": "b"}
    _, answer = await server.post("/validate", review("CREATE", a_class(parameters=parameters)))
    response = answer["response"]
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["reason"]) == (422, "Invalid")
    assert "csi.storage.k8s.io/secret-namespace is missing" in response["status"]["message"]
    assert "; " in response["status"]["message"]
    fields = [cause["field"] for cause in response["status"]["details"]["causes"]]
    assert fields == ["parameters[csi.storage.k8s.io/secret-namespace]", "parameters[fstype]"]


async def test_policy_is_forbidden_not_invalid(server: Running) -> None:
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "x"}}
    volume["spec"] = {"hostPath": {"path": "/etc"}}
    _, answer = await server.post("/validate", review("CREATE", volume))
    assert (answer["response"]["status"]["code"], answer["response"]["status"]["reason"]) == (403, "Forbidden")


async def test_warnings_have_no_control_characters_and_fit_a_header(server: Running) -> None:
    parameters = {f"csi.storage.k8s.io/{'k' * 300}\n{number}": "v" for number in range(40)}
    _, answer = await server.post("/validate", review("CREATE", a_class(parameters=parameters)))
    warnings = answer["response"]["warnings"]
    assert max(map(len, warnings)) <= 256
    assert sum(map(len, warnings)) <= 4096
    assert all(letter.isprintable() for each in warnings for letter in each)


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("CREATE", {"subResource": "status"}),
        ("CONNECT", {}),
        ("CREATE", {"kind": {"group": "", "version": "v1", "kind": "Pod"}}),
        ("CREATE", {"kind": {"group": "other.example.com", "version": "v1", "kind": "StorageClass"}}),
    ],
)
async def test_what_no_rule_concerns_is_let_pass(server: Running, operation: str, more: JSON) -> None:
    bad = a_class(parameters={"csi.storage.k8s.io/secret-name": "x"})
    for path in ("/mutate", "/validate"):
        _, answer = await server.post(path, review(operation, bad, **more))
        assert answer["response"].keys() == {"uid", "allowed"}
        assert answer["response"]["allowed"]


WRONG = [
    pytest.param(b"", "not JSON", id="empty"),
    pytest.param(b"{", "not JSON", id="cut short"),
    pytest.param(b'{"kind": "\xff"}', "not JSON", id="no UTF-8"),
    pytest.param(b"[" * 100_000, "", id="nested deeply"),
    pytest.param(b"[]", "wrong shape", id="a list"),
    pytest.param(b"null", "wrong shape", id="null"),
    pytest.param({}, "apiVersion", id="nothing"),
    pytest.param({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}, "v1beta1", id="old version"),
    pytest.param({"apiVersion": "admission.k8s.io/v1", "kind": "Pod"}, "Pod", id="another kind"),
    pytest.param({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}, "request.uid", id="no request"),
    pytest.param(review("CREATE", CLASS, uid=""), "request.uid", id="no uid"),
    pytest.param(review("CREATE", CLASS, uid=7), r"request\.uid", id="a number as uid"),
    pytest.param(review("REPLACE", CLASS), r"request\.operation", id="unknown operation"),
    pytest.param(review("CREATE", CLASS, object=None), r"request\.object is required", id="no object"),
    pytest.param(review("UPDATE", CLASS), r"request\.oldObject is required", id="no old object"),
    pytest.param(review("DELETE", CLASS), r"request\.oldObject is required", id="nothing deleted"),
    pytest.param(review("CREATE", CLASS, object=[]), r"request\.object", id="a list as object"),
    pytest.param(review("CREATE", a_class(parameters=["a"])), r"request\.object .*parameters", id="a list as map"),
    pytest.param(
        review("CREATE", a_class(metadata={"annotations": {"a": True}})), r"metadata\.annotations", id="no string"
    ),
]


@pytest.mark.parametrize("path", ["/mutate", "/validate"])
@pytest.mark.parametrize(("body", "said"), WRONG)
async def test_what_is_no_review_gets_400_that_names_the_field(
    server: Running, path: str, body: Any, said: str
) -> None:
    status, answer = await server.post(path, body)
    assert status == 400
    assert re.search(said, answer["error"]), answer
    assert (await server.post(path, review("CREATE", CLASS)))[0] == 200


async def test_another_content_type_is_415(server: Running) -> None:
    status, answer = await server.post("/mutate", review("CREATE", CLASS), headers={"Content-Type": "text/yaml"})
    assert status == 415
    assert "application/json" in answer["error"]


async def test_a_body_larger_than_two_objects_can_be_is_413(server: Running) -> None:
    status, _ = await server.post("/mutate", b" " * (MAX_BODY_BYTES + 1))
    assert status == 413
    within = review("CREATE", a_class(metadata={"name": "big", "annotations": {"x": "y" * (3 << 20)}}))
    assert (await server.post("/mutate", within))[0] == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/mutate", 405), ("POST", "/other", 404)])
async def test_other_paths_and_methods_are_said(server: Running, method: str, path: str, status: int) -> None:
    async with server.session.request(method, server.url + path) as response:
        assert response.status == status
        assert "error" in await response.json()


async def test_a_connection_cut_in_the_middle_disturbs_nobody(server: Running) -> None:
    host, port = server.url.removeprefix("https://").split(":")
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, int(port), ssl=server.trust())
        writer.write(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        await writer.drain()
        writer.transport.abort()
    assert (await server.post("/mutate", review("CREATE", CLASS)))[0] == 200


async def test_without_certificate_one_sees_health_and_no_more(server: Running) -> None:
    connector = aiohttp.TCPConnector(ssl=server.trust(with_certificate=False))
    async with aiohttp.ClientSession(connector=connector) as stranger:
        async with stranger.get(f"{server.url}/readyz") as response:
            assert response.status == 200
        async with stranger.post(f"{server.url}/mutate", json=review("CREATE", CLASS)) as response:
            assert response.status == 401


async def test_without_facts_the_call_fails_and_readiness_says_so(server: Running) -> None:
    server.source.why_not = "persistentvolumes are not synced"
    status, answer = await server.post("/validate", review("CREATE", CLASS))
    assert status == 500
    assert "not synced" in answer["error"]
    async with server.session.get(f"{server.url}/readyz") as response:
        assert response.status == 503
        assert "not synced" in await response.text()


async def test_what_is_being_deleted_passes_even_without_facts(server: Running) -> None:
    server.source.why_not = "persistentvolumes are not synced"
    going = a_class(metadata={"name": "fast", "deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert (await server.post("/validate", review("UPDATE", going, going)))[0] == 200


RESTORED = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "pv-1", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
    "spec": {"claimRef": {"namespace": "shop", "name": "cart", "uid": "u-1"}},
}
FOREIGN = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "seed", "namespace": "shop"},
    "spec": {"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "gold", "namespace": "golden"}},
}


@pytest.mark.parametrize(
    ("made", "need"),
    [(RESTORED, ClaimNeed("shop", "cart")), (FOREIGN, GrantsNeed("golden"))],
    ids=["claim", "grants"],
)
async def test_an_absence_is_confirmed_live_before_it_decides(server: Running, made: JSON, need: Any) -> None:
    await server.post("/mutate", review("CREATE", made))
    assert set(server.source.asked) == {need}


async def test_a_claim_that_the_cache_has_needs_no_confirmation(server: Running) -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}}
    claim["metadata"] = {"namespace": "shop", "name": "cart", "uid": "u-1"}
    server.source.facts = Snapshot([view(claim)])
    _, answer = await server.post("/mutate", review("CREATE", RESTORED))
    assert "patch" not in answer["response"]
    assert not server.source.asked


async def test_a_failed_look_up_fails_the_call_and_refuses_nobody(server: Running) -> None:
    server.source.failure = Unreachable("connection refused")
    status, answer = await server.post("/mutate", review("CREATE", FOREIGN))
    assert status == 500
    assert "look-up failed" in answer["error"]
    assert (
        server.registry.get_sample_value("lading_webhooks_reviews_total", {"phase": "mutate", "result": "failed"}) == 1
    )


async def test_metrics_count_what_each_rule_did(server: Running) -> None:
    await server.post("/mutate", review("CREATE", a_class(mountOptions=[" ro "])))
    await server.post("/validate", review("CREATE", a_class(parameters={"csi.storage.k8s.io/secret-name": "x"})))

    def value(name: str, **labels: str) -> float | None:
        return server.registry.get_sample_value(name, labels)

    assert value("lading_webhooks_rule_verdicts_total", rule="sc-mount-options", verdict="patched") == 1
    assert value("lading_webhooks_rule_verdicts_total", rule="sc-csi-secret-pair", verdict="denied") == 1
    assert value("lading_webhooks_rule_verdicts_total", rule="pv-static-delete", verdict="warned") == 0
    assert value("lading_webhooks_reviews_total", phase="mutate", result="patched") == 1
    assert value("lading_webhooks_reviews_total", phase="validate", result="denied") == 1


BY_NAMESPACE = """
rules: {pvc-unknown-class: refuse}
namespaces:
  - selector: {matchLabels: {env: dev}}
    rules: {pvc-unknown-class: warn}
"""


async def test_a_claims_namespace_decides_what_its_rules_do(tmp_path: Path) -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"storageClassName": "gone"}}
    async with running(tmp_path, settings=parse(BY_NAMESPACE)) as server:
        server.source.labels["sandpit"] = {"env": "dev"}
        answers = {}
        for namespace in ("sandpit", "shop"):
            made = {**claim, "metadata": {"name": "c", "namespace": namespace}}
            _, answer = await server.post("/validate", review("CREATE", made))
            answers[namespace] = answer["response"]
    assert answers["sandpit"]["allowed"]
    assert "does not exist" in answers["sandpit"]["warnings"][0]
    assert not answers["shop"]["allowed"]
    assert answers["shop"]["status"]["details"]["causes"][0]["field"] == "spec.storageClassName"


async def test_who_asks_reaches_the_rules(tmp_path: Path) -> None:
    old = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-1"}, "status": {"phase": "Bound"}}
    old["spec"] = {"claimRef": {"namespace": "shop", "name": "cart", "uid": "u-1"}}
    new = {**old, "spec": {"claimRef": {"namespace": "bank", "name": "till", "uid": "u-2"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv-1"}}
    claim["metadata"] = {"namespace": "shop", "name": "cart", "uid": "u-1"}
    settings = parse("rules: {pv-claimref-repoint-strict: {users: [populator]}}")
    async with running(tmp_path, [claim], settings=settings) as server:
        for user, allowed in (("populator", True), ("somebody", False)):
            asked = review("UPDATE", new, old, userInfo={"username": user, "groups": ["a"], "extra": {}})
            _, answer = await server.post("/validate", asked)
            assert answer["response"]["allowed"] is allowed
