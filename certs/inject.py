"""Putting the bundle of authorities into webhook registrations, so that the API server trusts what we serve.

Only caBundle is ours there: it is applied (server-side, taking the field over), and templates leave it out. The bundle
holds authorities alone, never a serving certificate.
"""

import base64
from dataclasses import dataclass

from kube.cache import Cache
from kube.client import Client, PatchType
from kube.errors import NotFound
from model.meta import JSON
from model.registrations import WebhookConfiguration
from model.resources import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS, Resource


@dataclass(frozen=True)
class Registration:
    """One webhook configuration of ours."""

    resource: Resource[WebhookConfiguration]
    name: str


def registrations(name: str) -> tuple[Registration, Registration]:
    """The mutating and the validating configuration of that name."""
    return Registration(MUTATING_WEBHOOKS, name), Registration(VALIDATING_WEBHOOKS, name)


def watch(client: Client, registration: Registration) -> Cache[WebhookConfiguration]:
    """What tells of changes of a registration, once it is run."""
    return Cache(client, registration.resource, fields=f"metadata.name={registration.name}")


async def inject(client: Client, registration: Registration, bundle: bytes) -> bool:
    """Give every webhook of the registration this bundle; answers whether any had another.

    Raises:
        KubeError: `NotFound` where it is not registered, `Conflict` where somebody changed it meanwhile.
    """
    present = await client.get(registration.resource, registration.name)
    encoded = base64.b64encode(bundle).decode()
    if all(each.client_config.ca_bundle == encoded for each in present.webhooks or ()):
        return False
    await client.patch(
        registration.resource, registration.name, _applied(registration, present, encoded),
        content=PatchType.APPLY, force=True,
    )  # fmt: skip
    return True


async def holds(client: Client, registration: Registration, certificate: bytes) -> bool:
    """Whether every webhook of the registration trusts this authority, given in PEM. Without it nobody calls us."""
    try:
        present = await client.get(registration.resource, registration.name)
    except NotFound:
        return True
    return all(certificate in base64.b64decode(each.client_config.ca_bundle or "") for each in present.webhooks or ())


def _applied(registration: Registration, present: WebhookConfiguration, encoded: str) -> JSON:
    return {
        "apiVersion": registration.resource.api_version,
        "kind": registration.resource.kind,
        # With the version, or a webhook that is removed at this moment would come back as a torso.
        "metadata": {"name": registration.name, "resourceVersion": present.metadata.resource_version},
        "webhooks": [{"name": each.name, "clientConfig": {"caBundle": encoded}} for each in present.webhooks or ()],
    }
