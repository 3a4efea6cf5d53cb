"""JSON merge patch: RFC 7386."""

from typing import Any

JSON = dict[str, Any]


def merge_patch(target: Any, patch: Any) -> Any:
    """The target as the patch changes it; neither is modified."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
