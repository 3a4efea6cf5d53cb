"""Certificates by cert-manager, in place of the webhooks' own: an authority, a serving certificate, and the injection.

The authority signs itself; its successor overlaps with it because cert-manager's injector merges bundles, by default
since cert-manager 1.19. The serving Secret is mounted as a folder and given to `lading webhooks --tls-cert --tls-key`,
which takes up a renewed pair without a restart. https://cert-manager.io/docs/concepts/ca-injector/
"""

from typing import Any, Final

from certs.issue import service_hosts
from deploy.webhooks import Service
from model.meta import JSON

VERSION: Final = "cert-manager.io/v1"
INJECT: Final = "cert-manager.io/inject-ca-from"
AUTHORITY_HOURS: Final = 365 * 24
LEAF_HOURS: Final = 90 * 24
"""Both are renewed when a third of their life is left."""


def certificates(service: Service, cluster_domain: str = "cluster.local") -> list[JSON]:
    """The issuers and certificates of a Service in front of the webhooks, in the order in which they depend."""
    name = service.name
    authority: JSON = {
        "isCA": True,
        "commonName": f"{name}-ca"[:64],
        "secretName": f"{name}-authority",
        "issuerRef": {"kind": "Issuer", "name": f"{name}-self-signed"},
        **_lives(AUTHORITY_HOURS),
    }
    serving: JSON = {
        "dnsNames": list(service_hosts(name, service.namespace, cluster_domain)),
        "secretName": secret(service),
        "issuerRef": {"kind": "Issuer", "name": f"{name}-authority"},
        "usages": ["digital signature", "server auth"],
        **_lives(LEAF_HOURS),
    }
    return [
        _object("Issuer", f"{name}-self-signed", service, {"selfSigned": {}}),
        _object("Certificate", f"{name}-authority", service, authority),
        _object("Issuer", f"{name}-authority", service, {"ca": {"secretName": f"{name}-authority"}}),
        _object("Certificate", name, service, serving),
    ]


def injected(configuration: JSON, service: Service) -> JSON:
    """A webhook configuration into which cert-manager puts the bundle."""
    metadata = configuration["metadata"]
    annotations = {**metadata.get("annotations", {}), INJECT: f"{service.namespace}/{service.name}"}
    return {**configuration, "metadata": {**metadata, "annotations": annotations}}


def secret(service: Service) -> str:
    """The Secret with the serving certificate, its key, and the authority's certificate."""
    return f"{service.name}-tls"


def _lives(hours: int) -> JSON:
    key = {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}
    return {"duration": f"{hours}h", "renewBefore": f"{hours // 3}h", "privateKey": key}


def _object(kind: str, name: str, service: Service, spec: dict[str, Any]) -> JSON:
    metadata = {"name": name, "namespace": service.namespace, "labels": {"app.kubernetes.io/name": "lading"}}
    return {"apiVersion": VERSION, "kind": kind, "metadata": metadata, "spec": spec}
