"""The scale subresource: one small object in front of everything that has replicas.

Source: Scale in the autoscaling/v1 API reference; for custom kinds, the paths that their definition names.
"""

from typing import Any

import orjson

from sandbox.errors import FieldError, bad_request, invalid, unsupported_media_type
from sandbox.jsonpath import find, parse
from sandbox.kinds import Kind, ScalePaths
from sandbox.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from sandbox.patch.merge import merge_patch
from sandbox.patch.operations import json_patch

JSON = dict[str, Any]

API_VERSION, KIND = "autoscaling/v1", "Scale"
_PATHS = ScalePaths(".spec.replicas", ".status.replicas", ".spec.selector")
_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _paths(kind: Kind) -> ScalePaths:
    return kind.custom.scale or _PATHS if kind.custom else _PATHS


def read(kind: Kind, obj: JSON) -> JSON:
    """The Scale of an object."""
    paths = _paths(kind)
    status: JSON = {"replicas": _first(paths.status_replicas, obj) or 0}
    if selector := _selector(_first(paths.selector, obj) if paths.selector else None):
        status["selector"] = selector
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "metadata": {key: obj["metadata"][key] for key in _COPIED if key in obj["metadata"]},
        "spec": {"replicas": _first(paths.spec_replicas, obj) or 0},
        "status": status,
    }


def _first(path: str, obj: JSON) -> Any:
    return next(iter(find(path, obj)), None)


def _selector(value: Any) -> str:
    """A selector as text: Scale has no other form for it."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else ""
    labels = value.get("matchLabels") if "matchLabels" in value or "matchExpressions" in value else value
    return ",".join(f"{key}={each}" for key, each in sorted((labels or {}).items()))


def patched(kind: Kind, obj: JSON, content_type: str, content: bytes) -> JSON:
    """The object's Scale as a patch changes it. A Scale has no lists, so that a strategic patch is a merge patch.

    Raises:
        ApiError: 415 for a server-side apply, 400 and 422 as for any patch.
    """
    try:
        patch = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from None
    if content_type == JSON_PATCH:
        changed = json_patch(read(kind, obj), patch)
    elif content_type in {MERGE_PATCH, STRATEGIC_PATCH}:
        changed = merge_patch(read(kind, obj), patch)
    else:
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH))
    if not isinstance(changed, dict):
        raise bad_request("the patch leaves no Scale")
    return changed


def write(kind: Kind, obj: JSON, scale: JSON) -> JSON:
    """The object with the replicas that the Scale wants, under the version that it names; `obj` is not modified.

    Raises:
        ApiError: 400 for a malformed Scale, 422 for less than no replicas.
    """
    spec, metadata = scale.get("spec") or {}, scale.get("metadata") or {}
    wanted = spec.get("replicas", 0) if isinstance(spec, dict) else None
    if not isinstance(wanted, int) or isinstance(wanted, bool) or not isinstance(metadata, dict):
        raise bad_request("spec.replicas of a Scale must be a whole number, and its metadata an object")
    if wanted < 0:
        error = FieldError.invalid("spec.replicas", wanted, "must be greater than or equal to 0")
        raise invalid(kind, obj["metadata"]["name"], [error])
    version = metadata.get("resourceVersion") or obj["metadata"].get("resourceVersion", "")
    scaled = _set(obj, [str(step) for step in parse(_paths(kind).spec_replicas)], wanted)
    return scaled | {"metadata": obj["metadata"] | {"resourceVersion": version}}


def _set(obj: JSON, path: list[str], value: Any) -> JSON:
    name, *rest = path
    below = obj.get(name)
    return obj | {name: _set(below if isinstance(below, dict) else {}, rest, value) if rest else value}
