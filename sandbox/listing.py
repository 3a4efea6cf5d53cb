"""Lists: at which version, in which chunks.

Rules: "Resource versions" and "Retrieving large results sets in chunks" in the API concepts.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from model.meta import JSON
from sandbox.errors import (
    ApiError,
    FieldError,
    bad_request,
    expired,
    invalid,
    quote,
    too_large_version,
    unspecific,
)
from sandbox.history import Key, Record
from sandbox.kinds import Kind
from sandbox.selection import Selection
from sandbox.store import ExpiredError, Store

_EXPIRED_CHUNK: Final = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True)
class ListRequest:
    """The parameters of a list, as sent."""

    selection: Selection
    limit: int = 0
    continue_: str = ""
    version: str = ""
    match: str = ""


@dataclass(frozen=True)
class Listing:
    """One chunk of a list."""

    records: list[Record]
    metadata: JSON


@dataclass(frozen=True)
class _ListOptions:
    group: str = "meta.k8s.io"
    plural: str = ""
    kind: str = "ListOptions"


def list_objects(store: Store, kind: Kind, request: ListRequest) -> Listing:
    """The objects that a list shows.

    Raises:
        ApiError: parameters that do not go together, versions that are gone or to come.
    """
    _check(request)
    if request.continue_:
        version, start = _read_token(request.continue_)
        records: Iterable[Record] = _continued(store, kind, request, version, start)
    else:
        version = _version(store, request)
        records = _at(store, kind, request, version)
        start = None
    accepted = (each for each in records if (start is None or each.key >= start) and request.selection.accepts(each))
    metadata: JSON = {"resourceVersion": str(version)}
    if not request.limit:
        return Listing(list(accepted), metadata)
    chunk = list(islice(accepted, request.limit))
    rest = list(accepted)
    if rest:
        metadata["continue"] = _token(version, rest[0].key)
        if request.selection.plain:
            metadata["remainingItemCount"] = len(rest)
    return Listing(chunk, metadata)


def read_version(text: str) -> int:
    """A resourceVersion as a number; 0 for none.

    Raises:
        ApiError: it is none.
    """
    if text and not (text.isascii() and text.isdigit() and len(text) < 20):
        detail = f"strconv.ParseUint: parsing {quote(text)}: invalid syntax"
        raise unspecific(FieldError.invalid("resourceVersion", text, detail).message)
    return int(text or 0)


def _check(request: ListRequest) -> None:
    if request.limit < 0:
        raise bad_request("limit may not be negative")
    path = "resourceVersionMatch"
    errors: list[FieldError] = []
    if request.match and request.match not in ("Exact", "NotOlderThan"):
        errors = [FieldError.not_supported(path, request.match, ["Exact", "NotOlderThan", ""])]
    elif request.match and not request.version:
        errors = [FieldError.forbidden(path, f"{path} is forbidden unless resourceVersion is provided")]
    elif request.match == "Exact" and request.version == "0":
        errors = [FieldError.forbidden(path, f'{path} "exact" is forbidden for resourceVersion "0"')]
    elif request.match and request.continue_:
        errors = [FieldError.forbidden(path, f"{path} is forbidden when continue is provided")]
    if errors:
        raise invalid(_ListOptions(), "", errors)
    if request.continue_ and request.version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def _version(store: Store, request: ListRequest) -> int:
    try:
        wanted = read_version(request.version)
    except ApiError as error:
        raise bad_request(f"invalid resource version: {error.message}") from error
    if wanted > store.version:
        raise too_large_version(wanted, store.version)
    return wanted if _is_exact(request, wanted) else store.version


def _is_exact(request: ListRequest, wanted: int) -> bool:
    return wanted > 0 and (request.match == "Exact" or (not request.match and bool(request.limit)))


def _at(store: Store, kind: Kind, request: ListRequest, version: int) -> Iterable[Record]:
    if version == store.version:
        return store.records(kind.stored_resource, request.selection.namespace)
    try:
        return store.records_at(kind.stored_resource, version)
    except ExpiredError as error:
        raise expired("The resourceVersion for the provided list is too old.") from error


def _continued(store: Store, kind: Kind, request: ListRequest, version: int, start: Key) -> Iterable[Record]:
    if version == store.version:
        return store.records(kind.stored_resource, request.selection.namespace)
    try:
        return store.records_at(kind.stored_resource, version)
    except ExpiredError as error:
        raise expired(_EXPIRED_CHUNK, {"continue": _token(store.version, start)}) from error


def _token(version: int, start: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start})).decode()


def _read_token(token: str) -> tuple[int, Key]:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(token))
        namespace, name = value["start"]
        version = value["rv"]
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise _bad_token() from None
    if not (isinstance(version, int) and isinstance(namespace, str) and isinstance(name, str)):
        raise _bad_token()
    return version, (namespace, name)


def _bad_token() -> ApiError:
    return bad_request("continue key is not valid: it must be one that a list has answered with")
