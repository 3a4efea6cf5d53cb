"""New objects of the small kinds, with the rules of metadata, and registrations of webhooks."""

from tests.contract.cases.case import each

OTHERS = [
    *each(
        "map",
        {},
        {"metadata/name": "Upper"},
        {"metadata/name": "x" * 254},
        {"metadata/name": "a_b"},
        {"metadata/labels": {"a b": "1"}},
        {"metadata/labels": {"a": "1 2"}},
        {"metadata/labels": {"a": "x" * 64}},
        {"metadata/labels": {"/a": "1"}},
        {"metadata/labels": {"Upper.io/a": "1"}},
        {"metadata/labels": {"a/b/c": "1"}},
        {"metadata/labels": {"x" * 64: "1"}},
        {"metadata/labels": {"x" * 254 + "/a": "1"}},
        {"metadata/annotations": {"a b": "1"}},
        {"metadata/finalizers": ["plain"]},
        {"metadata/finalizers": ["a b/c"]},
        {"metadata/finalizers": ["orphan", "foregroundDeletion"]},
        {"metadata/ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]},
        {
            "metadata/ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True} for name in "pq"
            ]
        },
        {"data": {"a b": "1"}},
        {"data": {"..": "1"}},
        {"binaryData": {"a": "eA=="}},
        {"data/a": "x" * (1024 * 1024 + 1)},
    ),
    *each("secret", {}, {"type": "kubernetes.io/tls"}, {"type": "kubernetes.io/basic-auth"}, {"data": {"a/b": "eA=="}}),
    *each(
        "secret",
        {"type": "kubernetes.io/ssh-auth"},
        {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eA=="}},
        {"type": "kubernetes.io/service-account-token"},
    ),
    *each(
        "lease",
        {},
        {"spec/leaseDurationSeconds": 0},
        {"spec/leaseTransitions": -1},
        {"spec/preferredHolder": "two"},
        {"metadata/finalizers": ["plain"]},
    ),
    *each(
        "event",
        {"involvedObject/namespace": "elsewhere"},
        {"eventTime": "2026-01-01T00:00:00.000000Z"},
    ),
    *each(
        "webhook",
        {},
        {"webhooks/0/name": "short"},
        {"webhooks/0/clientConfig": {}},
        {"webhooks/0/clientConfig/url": "http://127.0.0.1/check"},
        {"webhooks/0/clientConfig/url": "https://user@127.0.0.1/check?a=b#c"},
        {"webhooks/0/clientConfig": {"url": "https://a", "service": {"name": "a", "namespace": "b"}}},
        {"webhooks/0/sideEffects": None},
        {"webhooks/0/sideEffects": "Some"},
        {"webhooks/0/admissionReviewVersions": []},
        {"webhooks/0/admissionReviewVersions": ["v2"]},
        {"webhooks/0/admissionReviewVersions": ["v1", "v1"]},
        {"webhooks/0/failurePolicy": "Maybe"},
        {"webhooks/0/matchPolicy": "Near"},
        {"webhooks/0/timeoutSeconds": 31},
        {"webhooks/0/objectSelector": {"matchLabels": {"a b": "1"}}},
        {"webhooks/0/rules/0/operations": ["*", "CREATE"]},
        {"webhooks/0/rules/0/operations": ["WATCH"]},
        {"webhooks/0/rules/0/operations": []},
        {"webhooks/0/rules/0/apiGroups": ["*", "apps"]},
        {"webhooks/0/rules/0/apiVersions": [""]},
        {"webhooks/0/rules/0/resources": ["*/*", "pods"]},
        {"webhooks/0/rules/0/resources": ["*", "pods"]},
        {"webhooks/0/rules/0/resources": ["pods/*", "pods/status"]},
        {"webhooks/0/rules/0/scope": "Odd"},
        {
            "webhooks/1": {
                "name": "check.example.com",
                "clientConfig": {"url": "https://127.0.0.1:1/check"},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Ignore",
            }
        },
    ),
    *each(
        "mutating",
        {},
        {"webhooks/0/reinvocationPolicy": "Odd"},
        {"webhooks/0/clientConfig/service/port": 0},
        {"webhooks/0/clientConfig/service/name": ""},
        {"webhooks/0/clientConfig/service/path": "a//b"},
    ),
]
