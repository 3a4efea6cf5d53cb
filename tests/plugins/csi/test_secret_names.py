"""Which Secret a class names for which call."""

import pytest

from model.secrets import SecretReference
from plugins.csi.secret_names import named
from plugins.errors import Failed

P = "csi.storage.k8s.io/"
NAMESPACE = {"pv.name": "pvc-1", "pvc.namespace": "shop"}
NAME = {**NAMESPACE, "pvc.name": "data", "pvc.annotations['team/secret']": "theirs"}


def secret(name: str, namespace: str, operation: str = "node-stage-") -> dict[str, str]:
    return {f"{P}{operation}secret-name": name, f"{P}{operation}secret-namespace": namespace}


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, None),
        ({"type": "fast"}, None),
        (secret("key", "vault"), ("vault", "key")),
        (secret("key", "vault", ""), ("vault", "key")),
        (secret("key", "vault", "") | secret("own", "here"), ("here", "own")),
        (secret("key", "vault", "provisioner-"), None),
        (secret("${pvc.name}-key", "${pvc.namespace}"), ("shop", "data-key")),
        (secret("${pv.name}", "${pv.name}"), ("pvc-1", "pvc-1")),
        (secret("${pvc.annotations['team/secret']}", "vault"), ("vault", "theirs")),
        (secret("a.b-c", "vault"), ("vault", "a.b-c")),
    ],
)
def test_a_class_names_a_secret(parameters: dict[str, str], found: tuple[str, str] | None) -> None:
    expected = SecretReference(*found) if found else None
    assert named(parameters, "node-stage", NAMESPACE, NAME) == expected


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({f"{P}node-stage-secret-name": "key"}, "node-stage-secret-namespace is missing or empty"),
        ({f"{P}node-stage-secret-namespace": "vault"}, "node-stage-secret-name is missing or empty"),
        (secret("", "vault"), "node-stage-secret-name is missing or empty"),
        (secret("key", "${pvc.name}"), r"'\$\{pvc.name\}' is not known here; there are \$\{pv.name\}, "),
        (secret("$key", "vault"), r"'\$' is not known here"),
        (secret("${pvc.uid}", "vault"), "is not known here"),
        (secret("${pvc.annotations['absent']}", "vault"), "is not known here"),
        (secret("Key", "vault"), "'Key' is no name of a secret"),
        (secret("../key", "vault"), "is no name of a secret"),
        (secret("k" * 254, "vault"), "is no name of a secret"),
        (secret("key", "a.b"), "'a.b' is no namespace"),
    ],
)
def test_what_names_none_is_refused_with_the_parameter(parameters: dict[str, str], why: str) -> None:
    with pytest.raises(Failed, match=why):
        named(parameters, "node-stage", NAMESPACE, NAME)
