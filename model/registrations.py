"""MutatingWebhookConfiguration and ValidatingWebhookConfiguration (admissionregistration.k8s.io/v1)."""

import msgspec

from model.meta import Object


class ServiceReference(msgspec.Struct, frozen=True, gc=False):
    """The Service in front of a webhook."""

    namespace: str = ""
    name: str = ""


class WebhookClientConfig(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where the API server finds a webhook and whom it trusts there; the bundle is base64 of PEM."""

    url: str | None = None
    service: ServiceReference | None = None
    ca_bundle: str | None = None


class Webhook(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One webhook of a configuration."""

    name: str = ""
    client_config: WebhookClientConfig = WebhookClientConfig()


class WebhookConfiguration(Object, frozen=True, gc=False):
    """Webhooks of one kind, mutating or validating."""

    webhooks: tuple[Webhook, ...] | None = None
