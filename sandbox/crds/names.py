"""What a stored CustomResourceDefinition serves: its kinds, and the conditions that say that its names are taken.

Source: the CustomResourceDefinition status in the API reference, and "Version priority" in the documentation of
versions in CustomResourceDefinitions.
"""

import re
from typing import Any

from sandbox.kinds import SCALE, STATUS, Column, Custom, Kind, Kinds, ScalePaths, Subresource
from sandbox.schema.structural import root_schema

JSON = dict[str, Any]

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STABILITY = {"alpha": 0, "beta": 1, None: 2}


def kinds_of(definition: JSON) -> list[Kind]:
    """The kinds that the definition serves, the preferred version first; none before it is established."""
    conditions = {each["type"]: each["status"] for each in definition.get("status", {}).get("conditions") or ()}
    if conditions.get("Established") != "True":
        return []
    versions = [each for each in definition["spec"]["versions"] if each.get("served")]
    return [_kind(definition, each) for each in sorted(versions, key=_priority)]


def _priority(version: JSON) -> tuple[Any, ...]:
    match = _VERSION.fullmatch(version["name"])
    if match is None:
        return (1, version["name"])
    return (0, -_STABILITY[match[2]], -int(match[1]), -int(match[3] or 0))


def _kind(definition: JSON, version: JSON) -> Kind:
    spec, names = definition["spec"], definition["spec"]["names"]
    subresources = version.get("subresources") or {}
    stored = next(each["name"] for each in spec["versions"] if each.get("storage"))
    return Kind(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names["singular"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=_subresources(subresources),
        list_kind=names["listKind"],
        custom=_custom(definition, version, subresources.get("scale")),
        stored_version=f"{spec['group']}/{stored}",
    )


def _subresources(given: JSON) -> tuple[Subresource, ...]:
    return (*((STATUS,) if given.get("status") is not None else ()), *((SCALE,) if given.get("scale") else ()))


def _custom(definition: JSON, version: JSON, scale: JSON | None) -> Custom:
    columns = tuple(
        Column(
            each["name"],
            each["type"],
            each["jsonPath"],
            each.get("description", ""),
            each.get("format", ""),
            each.get("priority", 0),
        )
        for each in version.get("additionalPrinterColumns") or ()
    )
    paths = scale and ScalePaths(
        scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath", "")
    )
    return Custom(
        root_schema((version.get("schema") or {}).get("openAPIV3Schema") or {}),
        columns,
        paths or None,
        _deprecation(definition, version),
    )


def _deprecation(definition: JSON, version: JSON) -> str:
    if not version.get("deprecated"):
        return ""
    spec = definition["spec"]
    default = f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    return str(version.get("deprecationWarning") or default)


def establish(definition: JSON, kinds: Kinds, now: str = "") -> JSON:
    """The status of the definition: whether its names are free, and so whether its kinds are served.

    `now` is the time of a change, as the API writes it, the definition's creation if not given; conditions that stay
    as they are keep theirs.
    """
    now = now or definition["metadata"]["creationTimestamp"]
    spec, old = definition["spec"], definition.get("status") or {}
    taken = _taken(definition, kinds)
    if taken:
        accepted = _condition("NamesAccepted", "False", taken[0], taken[1])
        established = _condition("Established", "False", "NotAccepted", "not all names are accepted")
    else:
        accepted = _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        why = "the initial names have been accepted"
        established = _condition("Established", "True", "InitialNamesAccepted", why)
    before = {each["type"]: each for each in old.get("conditions") or ()}
    if before.get("Established", {}).get("status") == "True":
        established = before["Established"]
    stored = next(each["name"] for each in spec["versions"] if each.get("storage"))
    return {
        **old,
        "conditions": [_since(each, before.get(each["type"]), now) for each in (accepted, established)],
        "acceptedNames": old.get("acceptedNames", {}) if taken else spec["names"],
        "storedVersions": list(dict.fromkeys([*(old.get("storedVersions") or ()), stored])),
    }


def _taken(definition: JSON, kinds: Kinds) -> tuple[str, str] | None:
    """Reason and message, where a name of the definition belongs to another resource of the group."""
    spec, names = definition["spec"], definition["spec"]["names"]
    name = definition["metadata"]["name"]
    others = [kind for kind in kinds if kind.group == spec["group"] and (kind.resource != name or kind.custom is None)]
    resources = {name for kind in others for name in (kind.plural, kind.singular, *kind.short_names)}
    kind_names = {name for kind in others for name in (kind.kind, kind.list_kind)}
    checks = [
        ("PluralConflict", [names["plural"]], resources),
        ("SingularConflict", [names["singular"]], resources),
        ("ShortNamesConflict", names.get("shortNames") or [], resources),
        ("KindConflict", [names["kind"]], kind_names),
        ("ListKindConflict", [names["listKind"]], kind_names),
    ]
    for reason, wanted, given in checks:
        for name in wanted:
            if name in given:
                return reason, f'"{name}" is already in use'
    return None


def _condition(type_: str, status: str, reason: str, message: str) -> JSON:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def _since(condition: JSON, before: JSON | None, now: str) -> JSON:
    same = before is not None and before.get("status") == condition["status"]
    changed = before["lastTransitionTime"] if before and same and "lastTransitionTime" in before else now
    return condition | {"lastTransitionTime": changed}
