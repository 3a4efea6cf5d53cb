"""How objects are shown: as they are, as table rows, or as their metadata alone; and errors as Status objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson
from aiohttp import web

from model.meta import JSON
from sandbox.attributes import Call
from sandbox.conversion import from_stored, to_stored
from sandbox.errors import ApiError, not_acceptable
from sandbox.kinds import Kind
from sandbox.listing import Listing
from sandbox.tables import partial, partial_list, table

JSON_TYPE: Final = "application/json"
_COMPRESSED_FROM: Final = 128 * 1024
_SHOWN: Final = {"": "", "Table": "table", "PartialObjectMetadata": "partial", "PartialObjectMetadataList": "partial"}
_VERSIONS: Final = ("v1", "v1beta1")


@dataclass(frozen=True)
class Form:
    """What the client asked to see. `shown` is "", "table" or "partial"."""

    shown: str = ""
    version: str = "v1"
    include_object: str = ""


def negotiate(accept: str, include_object: str = "") -> Form:
    """The first form of an Accept header that can be given.

    Raises:
        ApiError: 406.
    """
    for alternative in accept.split(",") if accept else ["*/*"]:
        media, *parameters = (part.strip() for part in alternative.split(";"))
        if media not in ("application/json", "application/*", "*/*", ""):
            continue
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        shown = _SHOWN.get(given.get("as", ""))
        version = given.get("v", "v1")
        if shown is not None and (not shown or (given.get("g") == "meta.k8s.io" and version in _VERSIONS)):
            return Form(shown, version, include_object)
    raise not_acceptable([JSON_TYPE])


def one(kind: Kind, obj: JSON, form: Form, status: int = 200, call: Call | None = None) -> web.Response:
    """An answer that shows one object."""
    return _answer(orjson.dumps(show(kind, obj, form)), status, call)


def many(kind: Kind, listing: Listing, form: Form) -> web.Response:
    """An answer that shows a list."""
    if form.shown == "table":
        body = orjson.dumps(_table(kind, [each.value for each in listing.records], form, listing.metadata))
    elif form.shown == "partial":
        shown = partial_list([from_stored(kind, each.value) for each in listing.records], listing.metadata)
        body = orjson.dumps(_versioned(shown, form))
    else:
        body = _list_bytes(kind, listing)
    return _answer(body, 200, None)


def show(kind: Kind, obj: JSON, form: Form, *, columns: bool = True) -> JSON:
    """One object in the form."""
    if form.shown == "table":
        return _table(kind, [to_stored(kind, obj)], form, obj.get("metadata", {}), columns=columns, single=True)
    if form.shown == "partial":
        return _versioned(partial(obj), form)
    return obj


def plain(value: JSON, status: int = 200, call: Call | None = None) -> web.Response:
    """An answer that is what it is in every form: discovery, Status objects, reviews."""
    return _answer(orjson.dumps(value), status, call)


def failure(error: ApiError, warnings: Sequence[str] = ()) -> web.Response:
    """An answer that says what went wrong."""
    status = error.status()
    # It may quote bytes of the request that are no UTF-8.
    status["message"] = status["message"].encode(errors="replace").decode()
    answer = plain(status, error.code)
    _warn(answer, warnings)
    if seconds := error.details.get("retryAfterSeconds"):
        answer.headers["Retry-After"] = str(seconds)
    return answer


def _table(
    kind: Kind, objects: Sequence[JSON], form: Form, metadata: JSON, *, columns: bool = True, single: bool = False
) -> JSON:
    include = form.include_object
    now = datetime.now(UTC)
    shown = table(kind, objects, metadata=metadata, now=now, include_object=include, headings=columns, single=single)
    return _versioned(shown, form)


def _versioned(shown: JSON, form: Form) -> JSON:
    return {**shown, "apiVersion": f"meta.k8s.io/{form.version}"}


def _list_bytes(kind: Kind, listing: Listing) -> bytes:
    """The list, of objects that are encoded already wherever they are shown as they are kept.

    Items of built-in kinds leave kind and apiVersion to the list.
    """
    named = b'{"kind":%s,"apiVersion":%s,' % (orjson.dumps(kind.kind), orjson.dumps(kind.api_version))
    items = []
    for record in listing.records:
        shown = from_stored(kind, record.value)
        if kind.custom is not None:
            items.append(record.encoded if shown is record.value else orjson.dumps(shown))
        elif shown is record.value and record.encoded.startswith(named):
            items.append(b"{" + record.encoded.removeprefix(named))
        else:
            items.append(orjson.dumps({key: shown[key] for key in shown if key not in ("kind", "apiVersion")}))
    head = orjson.dumps({"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": listing.metadata})
    return b'%s,"items":[%s]}' % (head[:-1], b",".join(items))


def _answer(body: bytes, status: int, call: Call | None) -> web.Response:
    answer = web.Response(body=body, status=status, content_type=JSON_TYPE)
    answer.headers["Cache-Control"] = "no-cache, private"
    _warn(answer, call.warnings if call else ())
    if len(body) > _COMPRESSED_FROM:
        answer.enable_compression()
    return answer


def _warn(answer: web.Response, warnings: Sequence[str]) -> None:
    for warning in dict.fromkeys(warnings):
        text = "".join(char if char.isprintable() else " " for char in warning)
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
