"""What makes the small kinds invalid: Lease, ConfigMap, Secret, Event.

Source: the fields of these kinds in the Kubernetes API reference.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Final

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import NOT_NEGATIVE, named, unchanged

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_DATA_BYTES: Final = 1024 * 1024
_SEALED: Final = "field is immutable when `immutable` is set"
_SECRET_KEYS: Final = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_KEYS: Final = (".dockercfg", ".dockerconfigjson")
_BASIC_AUTH: Final = ("username", "password")
_ACCOUNT_ANNOTATION: Final = "kubernetes.io/service-account.name"


def lease(obj: JSON) -> Iterator[FieldError]:
    """Objections to a Lease."""
    spec = obj.get("spec") or {}
    if (seconds := spec.get("leaseDurationSeconds")) is not None and seconds <= 0:
        yield FieldError.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if (transitions := spec.get("leaseTransitions")) is not None and transitions < 0:
        yield FieldError.invalid("spec.leaseTransitions", transitions, NOT_NEGATIVE)


def config_map(obj: JSON) -> Iterator[FieldError]:
    """Objections to a ConfigMap."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for key in sorted(data):
        yield from _key(f"data[{key}]", key)
        if key in binary:
            yield FieldError.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in sorted(binary):
        yield from _key(f"binaryData[{key}]", key)
    if sum(len(value.encode()) for value in data.values()) + _decoded_bytes(binary) > _DATA_BYTES:
        # This is how the real server spells the path of the whole object.
        yield FieldError.too_long("[]", _DATA_BYTES)


def secret(obj: JSON) -> Iterator[FieldError]:
    """Objections to a Secret."""
    data, kind = obj.get("data") or {}, obj.get("type") or "Opaque"
    for key in sorted(data):
        yield from _key(f"data[{key}]", key)
    if _decoded_bytes(data) > _DATA_BYTES:
        yield FieldError.too_long("data", _DATA_BYTES)
    if kind == "kubernetes.io/basic-auth" and not any(key in data for key in _BASIC_AUTH):
        yield from (FieldError.required(f"data[{key}]") for key in _BASIC_AUTH)
    account = (obj["metadata"].get("annotations") or {}).get(_ACCOUNT_ANNOTATION)
    if kind == "kubernetes.io/service-account-token" and not account:
        yield FieldError.required(f"metadata.annotations[{_ACCOUNT_ANNOTATION}]")
    for key in _SECRET_KEYS.get(kind, ()):
        if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
            yield FieldError.required(f"data[{key}]")
        elif key in _JSON_KEYS:
            yield from _json_content(f"data[{key}]", data[key])


def changed_data(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a ConfigMap or Secret."""
    yield from unchanged("type", obj.get("type"), old.get("type"))
    if not old.get("immutable"):
        return
    if not obj.get("immutable"):
        yield FieldError.forbidden("immutable", _SEALED)
    for field in ("data", "binaryData"):
        if (obj.get(field) or {}) != (old.get(field) or {}):
            yield FieldError.forbidden(field, _SEALED)


def _key(path: str, key: str) -> Iterator[FieldError]:
    if len(key) > 253:
        yield FieldError.invalid(path, key, "must be no more than 253 characters")
    if not _KEY.fullmatch(key):
        yield FieldError.invalid(path, key, _KEY_RULE)
    if key in {".", ".."}:
        yield FieldError.invalid(path, key, f"must not be '{key}'")
    elif key.startswith(".."):
        yield FieldError.invalid(path, key, "must not start with '..'")


def _decoded_bytes(data: dict[str, str]) -> int:
    return sum(len(base64.b64decode(value)) for value in data.values())


def _json_content(path: str, encoded: str) -> Iterator[FieldError]:
    try:
        value = json.loads(base64.b64decode(encoded))
    except ValueError as error:
        yield FieldError.invalid(path, "<secret contents redacted>", str(error))
        return
    if not isinstance(value, dict):
        yield FieldError.invalid(path, "<secret contents redacted>", "must be a JSON object")


def event(obj: JSON) -> Iterator[FieldError]:
    """Objections to an Event, of core/v1 or events.k8s.io/v1: both must agree with what they are about."""
    about, namespace = obj.get("involvedObject") or obj.get("regarding") or {}, obj["metadata"].get("namespace", "")
    strict, given = obj.get("eventTime") is not None, about.get("namespace") or ""
    allowed = {"default", "kube-system"} if strict else {"", "default"}
    agrees = given == namespace if given and not strict else bool(given) or namespace in allowed
    if not agrees:
        yield FieldError.invalid("involvedObject.namespace", given, "does not match event.namespace")
    if strict:
        yield from _reported(obj)
    if obj.get("apiVersion") == "events.k8s.io/v1":
        yield from _modern(obj)


def _reported(obj: JSON) -> Iterator[FieldError]:
    modern = obj.get("apiVersion") == "events.k8s.io/v1"
    controller = "reportingController" if modern else "reportingComponent"
    name = obj.get(controller) or ""
    if not name:
        yield FieldError.required(controller)
    yield from named(controller, name, names.qualified_name)
    for field, most in (("reportingInstance", 128), ("action", 128), ("reason", 128)):
        value = obj.get(field) or ""
        if not value:
            yield FieldError.required(field)
        if len(value.encode()) > most:
            yield FieldError.invalid(field, "", f"can have at most {most} characters")
    if len((obj.get("note" if modern else "message") or "").encode()) > 1024:
        yield FieldError.invalid("message", "", "can have at most 1024 characters")


def _modern(obj: JSON) -> Iterator[FieldError]:
    if (series := obj.get("series")) is not None:
        if (series.get("count") or 0) < 2:
            yield FieldError.invalid("series.count", "", "should be at least 2")
        if series.get("lastObservedTime") is None:
            yield FieldError.required("series.lastObservedTime")
    if obj.get("eventTime") is None:
        yield FieldError.required("eventTime")
    if obj.get("type") not in {"Normal", "Warning"}:
        yield FieldError.invalid("type", "", f"has invalid value: {obj.get('type') or ''}")
    for field, path in _OLD_FIELDS:
        if obj.get(field):
            yield FieldError.invalid(path, "", "needs to be unset")


_OLD_FIELDS: Final = (
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("deprecatedSource", "source"),
)
