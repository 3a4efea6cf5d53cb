"""What the server says it serves: the plain documents and the aggregated one, made anew from the kinds of the moment.

Source: "Discovery API" in the API concepts: kubectl asks for the aggregated form at /api and /apis and falls back to
the plain ones; auth can-i and drain read /api/v1 in any case.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.kinds import Kind, Kinds, Subresource

JSON = dict[str, Any]

AGGREGATED_VERSIONS = ("v2", "v2beta1")
CORE_VERSION = "v1"


def aggregated_type(version: str) -> str:
    """The media type of the aggregated form."""
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def api_versions(address: str) -> JSON:
    """/api; `address` is where clients reach the server."""
    return {
        "kind": "APIVersions",
        "versions": [CORE_VERSION],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def api_groups(kinds: Kinds) -> JSON:
    """/apis: every group but the core one."""
    groups = [_group(group, versions) for group, versions in kinds.groups().items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(kinds: Kinds, group: str) -> JSON | None:
    """/apis/GROUP, None where no such group is served."""
    versions = kinds.groups().get(group)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group, versions) if group and versions else None


def _group(group: str, versions: tuple[str, ...]) -> JSON:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def api_resources(kinds: Kinds, group: str, version: str) -> JSON | None:
    """/api/v1 and /apis/GROUP/VERSION, None where no such version is served."""
    if version not in kinds.groups().get(group, ()):
        return None
    resources = [
        entry for kind in kinds if (kind.group, kind.version) == (group, version) for entry in _resource_entries(kind)
    ]
    group_version = f"{group}/{version}" if group else version
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _resource_entries(kind: Kind) -> Iterator[JSON]:
    entry: JSON = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    yield entry | _names(kind)
    for each in kind.subresources:
        group, _, version = each.api_version.rpartition("/")
        yield {
            "name": f"{kind.plural}/{each.name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            **({"group": group, "version": version} if each.api_version not in {"", kind.api_version} else {}),
            "kind": each.kind or kind.kind,
            "verbs": list(each.verbs),
        }


def _names(kind: Kind) -> JSON:
    names = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    return {key: value for key, value in names.items() if value}


def aggregated(kinds: Kinds, *, core: bool, version: str = "v2") -> JSON:
    """/api (`core`) or /apis in the aggregated form."""
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [_aggregated_version(kinds, group, each) for each in versions],
        }
        for group, versions in kinds.groups().items()
        if (group == "") == core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(kinds: Kinds, group: str, version: str) -> JSON:
    resources = [_aggregated_resource(kind) for kind in kinds if (kind.group, kind.version) == (group, version)]
    return {"version": version, "resources": resources, "freshness": "Current"}


def _aggregated_resource(kind: Kind) -> JSON:
    entry: JSON = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    } | _names(kind)
    if kind.subresources:
        entry["subresources"] = [_aggregated_subresource(kind, each) for each in kind.subresources]
    return entry


def _aggregated_subresource(kind: Kind, subresource: Subresource) -> JSON:
    group, _, version = (subresource.api_version or kind.api_version).rpartition("/")
    response = {"group": group, "version": version, "kind": subresource.kind or kind.kind}
    return {"subresource": subresource.name, "responseKind": response, "verbs": list(subresource.verbs)}
