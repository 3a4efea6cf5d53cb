"""What a PATCH makes of an object: the four patch types, decoded, defaulted, with owners.

Errors are worded as the real server words them. Source: "Patch" in the API conventions; for fieldValidation, "Field
validation" in the API concepts.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from sandbox import managed
from sandbox.errors import ApiError, FieldError, bad_request, invalid, unsupported_media_type
from sandbox.patch.body import read_apply_body
from sandbox.patch.merge import merge_patch
from sandbox.patch.operations import json_patch, rejected, unknown_members
from sandbox.patch.strategic import MalformedPatchError, UnprocessablePatchError, strategic_merge
from sandbox.schema import DecodeError, decode, duplicate_fields, schema_of, strict_objections
from sandbox.schema.decode import check_depth

if TYPE_CHECKING:
    from sandbox.kinds import Kind

JSON = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


@dataclass(frozen=True)
class PatchOptions:
    """What the request says besides the body. `manager` is the fieldManager, or what stands for the client."""

    content_type: str
    manager: str
    now: datetime
    force: bool = False
    validation: str = "Warn"
    """fieldValidation: Strict refuses unknown and duplicate fields, Warn names them, Ignore drops them."""
    subresource: str = ""
    defaults: Callable[[JSON], None] = lambda _: None
    """Sets the defaults of a built-in kind, in place."""


@dataclass(frozen=True)
class Patched:
    """The new object, and what to tell the client in Warning headers."""

    value: JSON
    warnings: list[str] = field(default_factory=list)


def accepted_types(kind: "Kind") -> tuple[str, ...]:
    """The patch types that the kind takes: custom kinds have no merge keys."""
    return tuple(each for each in PATCH_TYPES if each != STRATEGIC_PATCH or not kind.custom)


def apply_patch(kind: "Kind", body: bytes, current: JSON | None, options: PatchOptions) -> Patched:
    """The object as the patch changes it, in the version of `kind`, owners included. `current` is not modified.

    `current` is None where the object does not exist yet, which only an apply patch may meet.

    Raises:
        ApiError: as the real server answers; 415 names the types that the kind takes.
    """
    if options.content_type not in accepted_types(kind):
        raise unsupported_media_type(accepted_types(kind))
    if options.content_type == APPLY_PATCH:
        return _apply(kind, body, current, options)
    assert current is not None
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from None
    _check_depth(patch)
    patched = _changed(kind, patch, current, options)
    shown = _go_printed(patch) if options.content_type == STRATEGIC_PATCH else patched
    try:
        decoded = decode(kind, patched)
    except DecodeError as error:
        raise _refused(shown, str(error)) from None
    objections = strict_objections(decoded.unknown, duplicate_fields(body, patch))
    if options.content_type == JSON_PATCH:
        objections = unknown_members(patch) + objections
    if objections and options.validation == "Strict":
        raise _refused(shown, f"strict decoding error: {', '.join(objections)}")
    if (decoded.value.get("apiVersion"), decoded.value.get("kind")) != (kind.api_version, kind.kind):
        raise _refused(shown, f"the object is and stays a {kind.api_version} {kind.kind}")
    _check_names(decoded.value, current)
    options.defaults(decoded.value)
    value = managed.track(
        kind, current, decoded.value, manager=options.manager, now=options.now, subresource=options.subresource
    )
    return Patched(value, objections if options.validation == "Warn" else [])


def _check_names(obj: JSON, current: JSON) -> None:
    """A patch may not turn an object into another one."""
    name, before = obj["metadata"].get("name", ""), current["metadata"].get("name", "")
    if name != before:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({before})")
    if obj["metadata"].get("namespace", "") != current["metadata"].get("namespace", ""):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _check_depth(patch: Any) -> None:
    try:
        check_depth(patch)
    except DecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from None


def _changed(kind: "Kind", patch: Any, current: JSON, options: PatchOptions) -> Any:
    if options.content_type == JSON_PATCH:
        return json_patch(current, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: the body must be an object")
    if options.content_type == MERGE_PATCH:
        return merge_patch(current, patch)
    try:
        return strategic_merge(schema_of(kind), current, patch)
    except MalformedPatchError as error:
        raise bad_request(str(error)) from None
    except UnprocessablePatchError as error:
        raise rejected(str(error)) from None


def _apply(kind: "Kind", body: bytes, current: JSON | None, options: PatchOptions) -> Patched:
    applied, repeated = read_apply_body(body)
    _check_depth(applied)
    if (applied.get("apiVersion"), applied.get("kind")) != (kind.api_version, kind.kind):
        group, _, version = str(applied.get("apiVersion", "")).rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={applied.get('kind', '')}")
    _check_declared(kind, applied)
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    writer = managed.Writer(kind, options.manager, options.now, options.subresource)
    try:
        value = managed.apply(writer, current, applied, force=options.force, defaults=options.defaults)
    except DecodeError as error:
        raise _untyped(applied, kind, str(error)) from None
    duplicates = strict_objections(duplicates=repeated)
    if duplicates and options.validation == "Strict":
        raise bad_request(f"error strict decoding patch: {', '.join(duplicates)}")
    return Patched(value, duplicates if options.validation == "Warn" else [])


def _check_declared(kind: "Kind", applied: JSON) -> None:
    """An applied object may hold nothing but fields of its kind, whatever fieldValidation says."""
    try:
        unknown = decode(kind, applied).unknown
    except DecodeError as error:
        raise _untyped(applied, kind, str(error)) from None
    if unknown:
        raise _untyped(applied, kind, "\n".join(f".{path}: field not declared in schema" for path in unknown))


def _untyped(applied: JSON, kind: "Kind", why: str) -> ApiError:
    metadata = applied.get("metadata") or {}
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    about = f"{name}; {kind.group}/{kind.version}, Kind={kind.kind}"
    return ApiError(500, "", f"failed to create typed patch object ({about}): {why}")


class _Unnamed:
    """Patch errors are about no kind in particular."""

    group = plural = kind = ""


def _refused(shown: Any, why: str) -> ApiError:
    text = shown if isinstance(shown, str) else orjson.dumps(shown).decode()
    error = invalid(_Unnamed(), "", [FieldError.invalid("patch", text, why)])
    error.details.pop("kind")
    return error


def _go_printed(value: Any) -> str:
    """A value as Go's %v prints it, which is how the real server quotes a strategic patch."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_go_printed(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(_go_printed(each) for each in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "<nil>" if value is None else str(value)
