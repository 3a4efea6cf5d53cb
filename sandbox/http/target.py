"""What a request is about: the path's parts, and the query's parameters with their types."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from sandbox.attributes import Call, User
from sandbox.errors import FieldError, bad_request, invalid, no_such_resource
from sandbox.kinds import Kind, Kinds
from sandbox.listing import ListRequest
from sandbox.selection import Selection, read_selection
from sandbox.watching import WatchRequest

_VALIDATION: Final = ("", "Ignore", "Warn", "Strict")
WARNINGS: Final = web.RequestKey("warnings", list[str])
"""Where a request keeps them."""
_MOST_SECONDS: Final = 24 * 3600.0
_MANAGER_LENGTH: Final = 128
_OPTIONS: Final = {"PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True)
class _Options:
    group: str = "meta.k8s.io"
    plural: str = ""
    kind: str = ""


PATCH_OPTIONS: Final = _Options(kind="PatchOptions")


@dataclass(frozen=True)
class Target:
    """The resource, and how far into it the path goes. `name` is empty for the collection."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    watch: bool = False


def parse_target(path: str, kinds: Kinds) -> Target:
    """The target of `/api/v1/…` or `/apis/GROUP/VERSION/…`.

    Raises:
        ApiError: 404, nothing is served there.
    """
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise no_such_resource()
    watch = rest[0] == "watch" and len(rest) > 1
    rest = rest[1:] if watch else rest
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and kinds.find(group, version, rest[2]) is not None:
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise no_such_resource()
    name, subresource = (*rest[1:], "", "")[:2]
    if name and kind.namespaced and not namespace:
        raise no_such_resource()
    if subresource and kind.subresource(subresource) is None:
        raise no_such_resource()
    return Target(kind, namespace, name, subresource, watch)


class Query:
    """The parameters of a request, read when asked for.

    Raises (every method):
        ApiError: 400, the value is not of the parameter's type.
    """

    def __init__(self, request: web.Request) -> None:
        self._query = request.query
        self.warnings: list[str] = request[WARNINGS]
        """What the answer is to warn of, be it a refusal or not."""
        self._agent = request.headers.get("User-Agent", "")
        self._options = _Options(kind=_OPTIONS.get(request.method, "CreateOptions"))

    def text(self, name: str) -> str:
        """The value, "" where it is not given."""
        return self._query.get(name, "")

    def flag(self, name: str) -> bool | None:
        """A boolean; None where it is not given."""
        value = self._query.get(name)
        if value in (None, ""):
            return None
        if value.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise bad_request(f"{name}={value!r}: expected true or false")
        return value.lower() in ("true", "1", "t")

    def number(self, name: str) -> int | None:
        """A whole number; None where it is not given."""
        value = self._query.get(name)
        if value in (None, ""):
            return None
        if re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII) is None:
            raise bad_request(f"{name}={value!r}: expected a whole number")
        return int(value)

    def selection(self, target: Target) -> Selection:
        """Both selectors; a name in the path (as `/watch/…/NAME`) is one more."""
        fields = self.text("fieldSelector")
        if target.name:
            fields = ",".join(filter(None, [fields, f"metadata.name={target.name}"]))
        return read_selection(target.kind, target.namespace, self.text("labelSelector"), fields)

    def list_request(self, target: Target) -> ListRequest:
        """The parameters of a list."""
        return ListRequest(
            selection=self.selection(target),
            limit=self.number("limit") or 0,
            continue_=self.text("continue"),
            version=self.text("resourceVersion"),
            match=self.text("resourceVersionMatch"),
        )

    def watch_request(self, target: Target) -> WatchRequest:
        """The parameters of a watch."""
        seconds = self.number("timeoutSeconds")
        return WatchRequest(
            selection=self.selection(target),
            version=self.text("resourceVersion"),
            match=self.text("resourceVersionMatch"),
            bookmarks=self.flag("allowWatchBookmarks") or False,
            initial_events=self.flag("sendInitialEvents"),
            seconds=min(float(seconds), _MOST_SECONDS) if seconds else None,
        )

    def call(self, user: User) -> Call:
        """How a write is to be carried out."""
        dry_run = self._query.getall("dryRun", [])
        check_dry_run(dry_run, self._options.kind)
        validation = self.text("fieldValidation")
        if validation not in _VALIDATION:
            error = FieldError.not_supported("fieldValidation", validation, sorted(_VALIDATION))
            raise invalid(self._options, "", [error])
        manager = self.text("fieldManager") or _manager(self._agent)
        if len(manager) > _MANAGER_LENGTH or not manager.isprintable():
            error = FieldError.invalid("fieldManager", manager, "must be printable, at most 128 characters")
            raise invalid(self._options, "", [error])
        given = {"fieldManager": self.text("fieldManager"), "fieldValidation": validation}
        return Call(
            user=user,
            manager=manager,
            dry_run=bool([each for each in dry_run if each]),
            validation=validation or "Warn",
            force=self.flag("force") or False,
            warnings=self.warnings,
            options={name: value for name, value in given.items() if value},
        )


def check_dry_run(values: Sequence[str], options: str) -> None:
    """Know no other dryRun than All.

    Raises:
        ApiError: 422.
    """
    if [each for each in values if each not in ("", "All")]:
        raise invalid(_Options(kind=options), "", [FieldError.not_supported("dryRun", list(values), ["All"])])


def _manager(agent: str) -> str:
    """What stands for a client that names no manager: the program in its User-Agent."""
    name = "".join(char for char in agent.partition("/")[0] if char.isprintable())
    return name[:_MANAGER_LENGTH] or "unknown"
