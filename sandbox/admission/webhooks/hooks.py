"""The webhooks of all configurations of a kind, as they are asked: by name of the configuration, then as listed."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from model.meta import JSON
from model.selectors import LabelSelector
from sandbox.history import Record
from sandbox.store import Store

MUTATING: Final = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
VALIDATING: Final = "validatingwebhookconfigurations.admissionregistration.k8s.io"


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """Which requests a webhook wants to see."""

    operations: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str = "*"


class Service(msgspec.Struct, frozen=True):
    """A service of the cluster as the place of a webhook."""

    namespace: str
    name: str
    path: str = "/"
    port: int = 443


class ClientConfig(msgspec.Struct, frozen=True, rename="camel"):
    """Where a webhook is, and who must have signed its certificate (base64 of PEM; "": the system's authorities)."""

    url: str | None = None
    service: Service | None = None
    ca_bundle: str = ""


class Hook(msgspec.Struct, frozen=True, rename="camel"):
    """One webhook, with the defaults that the API fills in."""

    name: str
    client_config: ClientConfig
    rules: tuple[Rule, ...] = ()
    failure_policy: str = "Fail"
    match_policy: str = "Equivalent"
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    side_effects: str = ""
    timeout_seconds: int = 10
    admission_review_versions: tuple[str, ...] = ()
    reinvocation_policy: str = "Never"
    key: str = ""
    """Tells it from every other webhook of its kind."""

    @property
    def ignorable(self) -> bool:
        """Whether the request goes on when the webhook can not be asked."""
        return self.failure_policy == "Ignore"


class Hooks:
    """Reads configurations from the store, each version of one once."""

    def __init__(self, store: Store, resource: str) -> None:
        self._store, self._resource = store, resource
        self._read: dict[str, tuple[int, tuple[Hook, ...]]] = {}

    def __iter__(self) -> Iterator[Hook]:
        for record in self._store.records(self._resource):
            yield from self._of(record)

    def _of(self, record: Record) -> tuple[Hook, ...]:
        name = record.key[1]
        version, hooks = self._read.get(name, (0, ()))
        if version != record.version:
            hooks = _hooks(name, record.value)
            self._read[name] = (record.version, hooks)
        return hooks


def _hooks(configuration: str, value: JSON) -> tuple[Hook, ...]:
    hooks = msgspec.convert(value.get("webhooks") or (), tuple[Hook, ...])
    seen: Counter[str] = Counter()
    named = []
    for hook in hooks:
        named.append(msgspec.structs.replace(hook, key=f"{configuration}/{hook.name}/{seen[hook.name]}"))
        seen[hook.name] += 1
    return tuple(named)
