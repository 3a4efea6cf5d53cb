"""Strategic merge patch: a merge patch whose lists may be merged by a key that the schema names.

Source: "Strategic merge patch" in the API conventions: `$patch` (replace, delete), `$setElementOrder/LIST`,
`$deleteFromPrimitiveList/LIST`, `$retainKeys`; null deletes.
"""

from collections.abc import Callable
from typing import Any

from sandbox.schema.types import MISSING, Field, Form, Schema

JSON = dict[str, Any]

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_SET_ORDER = "$setElementOrder/"
_UNKNOWN = Field(Schema(Form.ANY))


class MalformedPatchError(ValueError):
    """The directives make no sense: 400."""


class UnprocessablePatchError(ValueError):
    """The patch does not fit the object: 422."""


def strategic_merge(schema: Schema, target: JSON, patch: JSON) -> JSON:
    """The target as the patch changes it; neither is modified.

    Raises:
        MalformedPatchError: a directive is none, or contradicts the rest of the patch.
        UnprocessablePatchError: a list can not be merged as asked.
    """
    if _PATCH in patch:
        return _replaced_or_deleted(patch)
    patch = dict(patch)
    result = _retain_keys(target, patch)
    for key in [key for key in patch if key.startswith(_SET_ORDER)]:
        _set_order(schema, result, patch, key.removeprefix(_SET_ORDER))
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            name = key.removeprefix(_DELETE_FROM)
            if name in result:
                result[name] = [item for item in _list(result[name], name) if item not in _list(value, key)]
        else:
            merged = _merged(schema.fields.get(key, _beyond(schema)), result.get(key), value)
            if merged is MISSING:
                result.pop(key, None)
            else:
                result[key] = merged
    return result


def _beyond(schema: Schema) -> Field:
    """What is known of an object's member that is no named field."""
    return Field(schema.element) if schema.form is Form.MAP and schema.element else _UNKNOWN


def _merged(known: Field, current: Any, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(current, dict):
        return value if "replace" in known.strategies else strategic_merge(known.schema, current, value)
    if isinstance(value, list) and isinstance(current, list):
        return _merge_lists(known, current, value) if "merge" in known.strategies else value
    return _without_directives(value)


def _replaced_or_deleted(patch: JSON) -> JSON:
    directive = patch[_PATCH]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    raise UnprocessablePatchError(f"unknown $patch directive {directive!r}: use replace or delete")


def _retain_keys(target: JSON, patch: JSON) -> JSON:
    """The target with no other keys than `$retainKeys` names, if the patch has it; takes it out of the patch."""
    if _RETAIN_KEYS not in patch:
        return dict(target)
    retained = patch.pop(_RETAIN_KEYS)
    if not isinstance(retained, list):
        raise MalformedPatchError("invalid patch format of retainKeys: it must be a list of keys")
    set_keys = {
        key for key, value in patch.items() if value is not None and not key.startswith((_DELETE_FROM, _SET_ORDER))
    }
    if not set_keys <= set(retained):
        raise MalformedPatchError("invalid patch format of retainKeys: the patch sets keys that it does not retain")
    return {key: value for key, value in target.items() if key in retained}


def _set_order(schema: Schema, result: JSON, patch: JSON, name: str) -> None:
    """Merge the list `name` and bring it into the order that the patch asks for; takes both out of the patch."""
    known = schema.fields.get(name, _UNKNOWN)
    order = _list(patch.pop(_SET_ORDER + name), _SET_ORDER + name)
    current, change = result.get(name), patch.get(name)
    if current is None and change is None:
        return
    key_of = _key_of(known.merge_key)
    wanted = [key_of(item) for item in order]
    if change is not None:
        _check_order(_list(change, name), wanted, key_of)
    if current is None:
        merged = _without_directives(change)
    elif change is None:
        merged = _list(current, name)
    else:
        merged = _merged(known, current, patch[name])
    patch.pop(name, None)
    result[name] = _ordered(merged, wanted, [key_of(item) for item in current or []], key_of)


def _check_order(change: list[Any], wanted: list[Any], key_of: Callable[[Any], Any]) -> None:
    """The list must be part of the order, and in that order."""
    keys = [key_of(item) for item in change if not (isinstance(item, dict) and _PATCH in item)]
    positions = [wanted.index(key) if key in wanted else -1 for key in keys]
    if -1 in positions or positions != sorted(positions):
        raise MalformedPatchError(
            "invalid patch format of setElementOrder list: the list is not in the order that $setElementOrder gives"
        )


def _merge_lists(known: Field, current: list[Any], change: list[Any]) -> list[Any]:
    kinds = {type(item) for item in (*current, *change)}
    if not kinds:
        return current
    if list in kinds:
        raise UnprocessablePatchError("lists of lists are not supported")
    if dict not in kinds:
        merged = list(dict.fromkeys([*current, *change]))
        return _ordered(merged, change, current, _key_of(""))
    if kinds != {dict}:
        raise UnprocessablePatchError("a list holds both objects and other values")
    if not known.merge_key:
        raise UnprocessablePatchError(f"cannot merge lists without merge key for {known.schema.go_type}")
    return _merge_objects(known, current, change)


def _merge_objects(known: Field, current: list[JSON], change: list[JSON]) -> list[JSON]:
    key_of, element = _key_of(known.merge_key), known.schema.element or _UNKNOWN.schema
    plain = [item for item in change if _PATCH not in item]
    directives = [item for item in change if _PATCH in item]
    if any(item[_PATCH] not in {"replace", "delete"} for item in directives):
        raise UnprocessablePatchError("the items of a merged list know the $patch directives replace and delete only")
    deleted = [key_of(item) for item in directives if item[_PATCH] == "delete"]
    if any(item[_PATCH] == "replace" for item in directives):
        return plain
    merged = {key_of(item): item for item in current if key_of(item) not in deleted}
    order = list(merged)
    for item in plain:
        key = key_of(item)
        merged[key] = strategic_merge(element, merged[key], item) if key in merged else _without_directives(item)
    return _ordered(list(merged.values()), [key_of(item) for item in plain], order, key_of)


def _ordered(items: list[Any], wanted: list[Any], current: list[Any], key_of: Callable[[Any], Any]) -> list[Any]:
    """The items that the patch names in its order, the others in the current one, before what they stood before."""
    by_key = {key_of(item): item for item in items}
    named = [key for key in dict.fromkeys(wanted) if key in by_key]
    others = [key for key in dict.fromkeys(current) if key in by_key and key not in named]
    place = {key: index for index, key in enumerate(current)}
    result = []
    while named and others:
        first = others[0]
        goes_first = named[0] in place and place[first] < place[named[0]]
        result.append((others if goes_first else named).pop(0))
    return [by_key[key] for key in (*result, *named, *others)]


def _key_of(merge_key: str) -> Callable[[Any], Any]:
    def key(item: Any) -> Any:
        if not merge_key:
            return item
        if not isinstance(item, dict) or merge_key not in item:
            raise UnprocessablePatchError(f"{item!r} does not contain declared merge key: {merge_key}")
        if isinstance(item[merge_key], dict | list):
            raise UnprocessablePatchError(f"the merge key {merge_key} must be a string or a number")
        return item[merge_key]

    return key


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise UnprocessablePatchError(f"{name} must be a list")
    return value


def _without_directives(value: Any) -> Any:
    """A value that meets nothing to merge with: what it sets. MISSING for a null, and for what only directs."""
    if value is None or (isinstance(value, dict) and _PATCH in value):
        return MISSING
    if isinstance(value, dict):
        kept = {key: _without_directives(item) for key, item in value.items() if not key.startswith("$")}
        return {key: item for key, item in kept.items() if item is not MISSING}
    if isinstance(value, list):
        return [item for each in value if (item := _without_directives(each)) is not MISSING]
    return value
