"""Tables and partial metadata: the forms in which kubectl asks for what it prints.

Columns and wordings are those of the real server, for the kinds of the sandbox. Source: "Receiving resources as Tables"
and "Metadata-only" in the API concepts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sandbox.errors import bad_request
from sandbox.kinds import Kind
from sandbox.tables import cluster, pods, volumes, workloads
from sandbox.tables.cells import Heading, Printer, View, columns, name_of
from sandbox.tables.custom import printer_of

JSON = dict[str, Any]

_GROUP_VERSION = "meta.k8s.io/v1"
_INCLUDES = ("Metadata", "Object", "None")


def _created(obj: JSON, _view: View) -> list[Any]:
    return [name_of(obj), obj["metadata"].get("creationTimestamp")]


_DEFAULT = Printer((*columns(), Heading("Created At", "date")), _created)
_PRINTERS = volumes.PRINTERS | pods.PRINTERS | workloads.PRINTERS | cluster.PRINTERS


def table(
    kind: Kind,
    objects: Sequence[JSON],
    *,
    metadata: JSON,
    now: datetime,
    include_object: str = "Metadata",
    headings: bool = True,
    single: bool = False,
) -> JSON:
    """Objects, in the version the store keeps them, as a Table; `metadata` is the list's, or the single object's.

    `headings` is off in a watch after its first event. Times are told relative to `now`.

    Raises:
        ApiError: 400, `include_object` is none of Metadata, Object, None.
    """
    if include_object not in {"", *_INCLUDES}:
        why = f"includeObject: Invalid value: \"{include_object}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: {why}")
    printer = printer_of(kind.custom.columns) if kind.custom else _PRINTERS.get(kind.stored_resource, _DEFAULT)
    view = View(now, () if single else objects)
    rows = [_row(printer, obj, view, include_object) for obj in objects]
    kept = {key: metadata[key] for key in ("resourceVersion", "continue", "remainingItemCount") if metadata.get(key)}
    return {
        "kind": "Table",
        "apiVersion": _GROUP_VERSION,
        "metadata": kept,
        "columnDefinitions": [each.definition() for each in printer.headings] if headings else None,
        "rows": rows,
    }


def _row(printer: Printer, obj: JSON, view: View, include_object: str) -> JSON:
    row: JSON = {"cells": printer.cells(obj, view)}
    if conditions := pods.row_conditions(obj):
        row["conditions"] = conditions
    row["object"] = {"": partial(obj), "Metadata": partial(obj), "Object": obj}.get(include_object)
    return row


def partial(obj: JSON) -> JSON:
    """PartialObjectMetadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _GROUP_VERSION, "metadata": obj.get("metadata", {})}


def partial_list(objects: Sequence[JSON], metadata: JSON) -> JSON:
    """PartialObjectMetadataList of objects; `metadata` is the list's."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": _GROUP_VERSION,
        "metadata": metadata,
        "items": [partial(obj) for obj in objects],
    }
