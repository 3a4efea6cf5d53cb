"""JSON patch: RFC 6902, with bounds on what one patch may do."""

from types import MappingProxyType
from typing import Any

import jsonpatch
import jsonpointer

from sandbox.errors import ApiError, bad_request, quote

JSON = dict[str, Any]

MAX_OPERATIONS = 10_000
MAX_COPIES = 100
"""So many `copy` operations at most: each could double the object."""
_MAX_WHY = 300  # the library quotes whole objects
_MEMBERS = frozenset({"op", "path", "from", "value"})


class _Replace(jsonpatch.ReplaceOperation):
    """`replace` as the real server does it: a member that is not there yet is set."""

    def apply(self, obj: Any) -> Any:
        parent, key = _last(self.location, obj)
        operation: JSON = dict(self.operation)
        if isinstance(parent, dict) and key is not None and "value" in operation:
            parent[key] = operation["value"]
            return obj
        return super().apply(obj)


class _Test(jsonpatch.TestOperation):
    """`test` as the real server does it: a member that is not there is null."""

    def apply(self, obj: Any) -> Any:
        parent, key = _last(self.location, obj)
        operation: JSON = dict(self.operation)
        missing = isinstance(parent, dict) and key is not None and key not in parent
        return obj if missing and operation.get("value", parent) is None else super().apply(obj)


class _Patch(jsonpatch.JsonPatch):
    operations = MappingProxyType({**jsonpatch.JsonPatch.operations, "replace": _Replace, "test": _Test})


def _last(location: str, obj: Any) -> tuple[Any, Any]:
    """The object or list that the pointer ends in, and the key or index; (obj, None) for the root."""
    parent, key = jsonpointer.JsonPointer(location).to_last(obj)
    return parent, key


def json_patch(target: JSON, operations: Any) -> Any:
    """The target as the operations change it; it is not modified itself.

    Raises:
        ApiError: 400 for what is no patch, 413 for too many operations, 422 for one that does not fit the target.
    """
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise bad_request("error decoding patch: a JSON patch is a list of operations, each an object with op and path")
    if len(operations) > MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    if sum(each.get("op") == "copy" for each in operations) > MAX_COPIES:
        raise ApiError(413, "RequestEntityTooLarge", f"The allowed maximum of copy operations is {MAX_COPIES}")
    try:
        return _Patch(operations).apply(target)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"error decoding patch: {error}") from None
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as error:
        raise rejected(str(error)[:_MAX_WHY]) from None


def unknown_members(operations: Any) -> list[str]:
    """What strict decoding objects to in the operations themselves."""
    return [
        f"json patch unknown field {quote(f'[{index}].{key}')}"
        for index, each in enumerate(operations)
        if isinstance(each, dict)
        for key in each
        if key not in _MEMBERS
    ]


def rejected(why: str) -> ApiError:
    """422: the patch can be read, and can not be carried out."""
    message = f"the server rejected our request due to an error in our request: {why}"
    return ApiError(422, "Invalid", message)
