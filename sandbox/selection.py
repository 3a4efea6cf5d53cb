"""Which objects a list or watch is about: namespace, label selector, field selector."""

from dataclasses import dataclass
from typing import Any, Final

from model.meta import JSON
from model.selectors import FieldRequirement, Requirement, SelectorError, matches_all, parse_fields, parse_labels
from sandbox.errors import bad_request, quote
from sandbox.history import Record
from sandbox.kinds import Kind

_ALWAYS: Final = ("metadata.name", "metadata.namespace")
_INVOLVED: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENTS: Final = {
    **{f"involvedObject.{each}": f"involvedObject.{each}" for each in _INVOLVED},
    **{f"regarding.{each}": f"involvedObject.{each}" for each in _INVOLVED},
    "reason": "reason",
    "type": "type",
    "source": "source.component",
    "reportingComponent": "reportingComponent",
    "reportingController": "reportingComponent",
}
_FIELDS: Final[dict[str, dict[str, str]]] = {
    "events": _EVENTS,
    "pods": {
        each: each
        for each in (
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        )
    },
    "nodes": {"spec.unschedulable": "spec.unschedulable"},
    "namespaces": {"status.phase": "status.phase"},
    "secrets": {"type": "type"},
    "replicasets.apps": {"status.replicas": "status.replicas"},
    "replicationcontrollers": {"status.replicas": "status.replicas"},
}
_EMPTY: Final = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0"}
"""What fields are that JSON leaves out when they are at their zero value."""


@dataclass(frozen=True)
class Selection:
    """Objects of a namespace ("" for all) that both selectors accept."""

    namespace: str = ""
    labels: tuple[Requirement, ...] = ()
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether neither selector asks anything."""
        return not self.labels and not self.fields

    def accepts(self, record: Record) -> bool:
        """Whether the object is one of them."""
        if self.namespace and record.key[0] != self.namespace:
            return False
        if self.plain:
            return True
        labels = record.value["metadata"].get("labels") or {}
        return matches_all(self.labels, labels) and all(
            requirement.holds(_field(record.value, requirement.path)) for requirement in self.fields
        )


def read_selection(kind: Kind, namespace: str, labels: str, fields: str) -> Selection:
    """The selection of a request.

    Raises:
        ApiError: 400 for selectors that can not be read, or fields that the kind can not be selected by.
    """
    try:
        asked = parse_fields(fields)
        return Selection(namespace, parse_labels(labels), tuple(_supported(kind, each) for each in asked))
    except SelectorError as error:
        raise bad_request(str(error)) from error


def _supported(kind: Kind, requirement: FieldRequirement) -> FieldRequirement:
    if requirement.path in _ALWAYS:
        return requirement
    path = _FIELDS.get(kind.stored_resource, {}).get(requirement.path)
    if path is None:
        known = ", ".join(quote(each) for each in (*_ALWAYS, *_FIELDS.get(kind.stored_resource, {})))
        raise bad_request(f"{quote(requirement.path)} is not a known field selector: only {known}")
    return FieldRequirement(path, requirement.value, requirement.negated)


def _field(value: JSON, path: str) -> str:
    found: Any = value
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, bool):
        return "true" if found else "false"
    return _EMPTY.get(path, "") if found is None else str(found)
