"""Whether a CustomResourceDefinition is one, and what the server fills in where it says nothing.

Source: "Extend the Kubernetes API with CustomResourceDefinitions". Conversion webhooks are not called here, so the only
strategy is None.
"""

import re
from collections.abc import Iterator
from typing import Any

from sandbox.crds.structure import check_schema
from sandbox.errors import FieldError
from sandbox.jsonpath import JsonPathError, parse

JSON = dict[str, Any]

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_MIXED = "may have mixed case, but should otherwise match: "
_SIMPLE_PATH = "must be a simple json path starting with ."
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_PROTECTED = re.compile(r".*(^|\.)(k8s|kubernetes)\.io")
_APPROVAL = "api-approved.kubernetes.io"


def set_definition_defaults(obj: JSON) -> None:
    """Fill in names, conversion and the columns' types, in place."""
    spec = obj["spec"]
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind:
        names["singular"] = names.get("singular") or kind.lower()
        names["listKind"] = names.get("listKind") or f"{kind}List"
    spec["conversion"] = spec.get("conversion") or {"strategy": "None"}


def validate_definition(obj: JSON) -> list[FieldError]:
    """Objections to a definition in any state."""
    return [*_check_name(obj), *_check_spec(obj["spec"])]


def validate_definition_change(new: JSON, old: JSON) -> list[FieldError]:
    """Objections to what became of a definition: what its objects are known by stays."""
    return list(_check_unchanged(new["spec"], old["spec"]))


def _check_name(obj: JSON) -> Iterator[FieldError]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    if not _SUBDOMAIN.fullmatch(name):
        yield FieldError.invalid("metadata.name", name, _SUBDOMAIN_RULE)
    elif name != f"{spec.get('names', {}).get('plural', '')}.{spec.get('group', '')}":
        yield FieldError.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    group = spec.get("group", "")
    if _PROTECTED.fullmatch(group) and _APPROVAL not in (obj["metadata"].get("annotations") or {}):
        why = f'protected groups must have approval annotation "{_APPROVAL}"'
        yield FieldError.required(f"metadata.annotations[{_APPROVAL}]", why)


def _check_spec(spec: JSON) -> Iterator[FieldError]:
    group = spec.get("group", "")
    if not group:
        yield FieldError.required("spec.group")
    elif not _SUBDOMAIN.fullmatch(group):
        yield FieldError.invalid("spec.group", group, _SUBDOMAIN_RULE)
    elif "." not in group:
        yield FieldError.invalid("spec.group", group, "should be a domain with at least one dot")
    scope = spec.get("scope", "")
    if not scope:
        yield FieldError.required("spec.scope")
    elif scope not in {"Cluster", "Namespaced"}:
        yield FieldError.not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from _check_names(spec.get("names") or {})
    yield from _check_versions(spec.get("versions") or [])
    strategy = (spec.get("conversion") or {}).get("strategy", "None")
    if strategy != "None":
        yield FieldError.not_supported("spec.conversion.strategy", strategy, ("None",))
    if spec.get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield FieldError.invalid("spec.preserveUnknownFields", True, why)


def _check_names(names: JSON) -> Iterator[FieldError]:
    for key in ("plural", "singular", "kind", "listKind"):
        name, mixed = names.get(key, ""), key in {"kind", "listKind"}
        if not name:
            yield FieldError.required(f"spec.names.{key}")
        elif not _LABEL.fullmatch(name.lower() if mixed else name):
            yield FieldError.invalid(f"spec.names.{key}", name, (_MIXED if mixed else "") + _LABEL_RULE)
    for key in ("shortNames", "categories"):
        for index, name in enumerate(names.get(key) or ()):
            if not _LABEL.fullmatch(name):
                yield FieldError.invalid(f"spec.names.{key}[{index}]", name, _LABEL_RULE)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield FieldError.invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")


def _check_versions(versions: list[JSON]) -> Iterator[FieldError]:
    names = [version.get("name", "") for version in versions]
    if len(set(names)) < len(names):
        yield FieldError.invalid("spec.versions", names, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield FieldError.invalid("spec.versions", names, "must have exactly one version marked as storage version")
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        yield from _check_version(version, path)
        if (version.get("schema") or {}).get("openAPIV3Schema") is None:
            yield FieldError.required(f"{path}.schema.openAPIV3Schema")
    # What all versions share is told of once, under the paths of definitions that had but one.
    shared = {field for field in _SHARED if all(each.get(field) == versions[0].get(field) for each in versions)}
    for index, version in enumerate(versions):
        for field in _SHARED:
            if field not in shared:
                yield from _check_part(version, field, f"spec.versions[{index}].{field}")
    for field, path in _SHARED.items():
        if field in shared and versions:
            yield from _check_part(versions[0], field, f"spec.{path}")


_SHARED = {
    "schema": "validation",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "subresources": "subresources",
}


def _check_part(version: JSON, field: str, path: str) -> Iterator[FieldError]:
    part = version.get(field) or {}
    match field:
        case "schema":
            if (schema := part.get("openAPIV3Schema")) is not None:
                yield from check_schema(schema, f"{path}.openAPIV3Schema")
        case "additionalPrinterColumns":
            for index, column in enumerate(part):
                yield from _check_column(column, f"{path}[{index}]")
        case "subresources":
            if scale := part.get("scale"):
                yield from _check_scale(scale, f"{path}.scale")


def _check_version(version: JSON, path: str) -> Iterator[FieldError]:
    if not _LABEL.fullmatch(version.get("name", "")):
        yield FieldError.invalid(f"{path}.name", version.get("name", ""), _LABEL_RULE)
    if version.get("deprecationWarning") is not None and not version.get("deprecated"):
        why = "can only be set for deprecated versions"
        yield FieldError.invalid(f"{path}.deprecationWarning", version["deprecationWarning"], why)


def _check_column(column: JSON, path: str) -> Iterator[FieldError]:
    if not column.get("name"):
        yield FieldError.required(f"{path}.name")
    types, given = f"must be one of {','.join(_COLUMN_TYPES)}", column.get("type", "")
    if not given:
        yield FieldError.required(f"{path}.type", types)
    elif given not in _COLUMN_TYPES:
        yield FieldError.invalid(f"{path}.type", given, types)
    # The real server spells this path by its Go name.
    if not column.get("jsonPath"):
        yield FieldError.required(f"{path}.JSONPath")
    elif not _is_path(column["jsonPath"]):
        yield FieldError.invalid(f"{path}.JSONPath", column["jsonPath"], _SIMPLE_PATH)


def _check_scale(scale: JSON, path: str) -> Iterator[FieldError]:
    for key, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        given = scale.get(key, "")
        if not given:
            yield FieldError.required(f"{path}.{key}")
        elif not given.startswith("."):
            yield FieldError.invalid(f"{path}.{key}", given, _SIMPLE_PATH)
        elif not given.startswith(f"{root}.") or not _is_path(given):
            yield FieldError.invalid(f"{path}.{key}", given, f"should be a json path under {root}")


def _is_path(text: str) -> bool:
    try:
        return text.startswith(".") and bool(parse(text))
    except JsonPathError:
        return False


def _check_unchanged(new: JSON, old: JSON) -> Iterator[FieldError]:
    pairs = {
        "spec.group": (new.get("group"), old.get("group")),
        "spec.names.plural": (new["names"].get("plural"), old["names"].get("plural")),
        "spec.names.kind": (new["names"].get("kind"), old["names"].get("kind")),
        "spec.scope": (new.get("scope"), old.get("scope")),
    }
    for path, (now, before) in pairs.items():
        if now != before:
            yield FieldError.invalid(path, now, "field is immutable")
