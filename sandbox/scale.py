"""The scale subresource: one small object in front of everything that has replicas.

Source: Scale in the autoscaling/v1 API reference; for custom kinds, the paths that their definition names.
"""

from typing import Any

from sandbox.errors import FieldError, bad_request, invalid
from sandbox.jsonpath import find, parse
from sandbox.kinds import Kind, ScalePaths

JSON = dict[str, Any]

API_VERSION, KIND = "autoscaling/v1", "Scale"
_PATHS = ScalePaths(".spec.replicas", ".status.replicas", ".spec.selector")
_COPIED = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _paths(kind: Kind) -> ScalePaths:
    return kind.custom.scale or _PATHS if kind.custom else _PATHS


def scale_of(kind: Kind, obj: JSON) -> JSON:
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


def with_scale(kind: Kind, obj: JSON, scale: JSON) -> JSON:
    """The object with the replicas that the Scale wants; `obj` is not modified.

    Raises:
        ApiError: 400 for a malformed Scale, 422 for less than no replicas.
    """
    wanted = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise bad_request("spec.replicas of a Scale must be a whole number")
    if wanted < 0:
        error = FieldError.invalid("spec.replicas", wanted, "must be greater than or equal to 0")
        raise invalid(kind, obj["metadata"]["name"], [error])
    return _set(obj, [str(step) for step in parse(_paths(kind).spec_replicas)], wanted)


def _set(obj: JSON, path: list[str], value: Any) -> JSON:
    name, *rest = path
    below = obj.get(name)
    return obj | {name: _set(below if isinstance(below, dict) else {}, rest, value) if rest else value}
