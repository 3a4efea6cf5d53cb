"""The options that a driver gets with nearly every call: one JSON object of strings, as an argument.

The user's own options come last and win. Secrets are among them only for `mount`, as the contract has it.
"""

import base64
import json
from collections.abc import Mapping
from typing import Final

import msgspec

from plugins.errors import Failed
from plugins.host import Secret, Secrets
from plugins.source import PodFacts, Source

_ESCAPES: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class SecretReference(msgspec.Struct):
    """Where a volume's secret is."""

    name: str = ""
    namespace: str = ""


class Fields(msgspec.Struct, rename="camel"):
    """A flexVolume source."""

    driver: str = ""
    fs_type: str = ""
    secret_ref: SecretReference | None = None
    options: dict[str, str] | None = None


def for_call(source: Source) -> dict[str, str]:
    """The options of every call.

    Raises:
        Failed: the source can not be read.
    """
    return {**_built_in(source), **(source.fields(Fields).options or {})}


def for_mount(source: Source, pod: PodFacts, secret: Secret | None) -> dict[str, str]:
    """The options of `mount`.

    Raises:
        Failed: the source can not be read.
    """
    facts = {
        "kubernetes.io/pod.name": pod.name,
        "kubernetes.io/pod.namespace": pod.namespace,
        "kubernetes.io/pod.uid": pod.uid,
        "kubernetes.io/serviceAccount.name": pod.service_account,
    }
    if pod.fs_group is not None:
        facts["kubernetes.io/mounterArgs.FsGroup"] = str(pod.fs_group)
    kept = {
        f"kubernetes.io/secret/{key}": base64.b64encode(value).decode()
        for key, value in (secret.data if secret else {}).items()
    }
    return {**_built_in(source), **facts, **kept, **(source.fields(Fields).options or {})}


async def secret_of(source: Source, pod: PodFacts, secrets: Secrets) -> Secret | None:
    """The secret that the source names: a pod's own in its namespace, a volume's where it says.

    Raises:
        Failed: there is none, or it is not meant for this driver.
    """
    fields = source.fields(Fields)
    if fields.secret_ref is None or not fields.secret_ref.name:
        return None
    named = fields.secret_ref.namespace if source.persistent else ""
    namespace, name = named or pod.namespace, fields.secret_ref.name
    secret = await secrets.secret(namespace, name)
    if secret is None:
        raise Failed(f"there is no secret {namespace}/{name} for volume {source.name!r}")
    if secret.type != fields.driver:
        raise Failed(f"secret {namespace}/{name} is of type {secret.type!r}, not of the driver's, {fields.driver!r}")
    return secret


def to_argument(options: Mapping[str, str]) -> str:
    """As one argument: sorted, and with the escapes that drivers have always been given."""
    text = json.dumps(options, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.translate(_ESCAPES)


def _built_in(source: Source) -> dict[str, str]:
    return {
        "kubernetes.io/fsType": source.fields(Fields).fs_type,
        "kubernetes.io/readwrite": "ro" if source.read_only else "rw",
        "kubernetes.io/pvOrVolumeName": source.name,
    }
