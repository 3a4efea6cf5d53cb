"""What can go wrong in a request: each error becomes a Status object in the words of the real API server.

Source of codes, reasons and wordings: the API conventions ("Response Status Kind") and apimachinery's errors and field
packages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import orjson

from model.meta import JSON


class Named(Protocol):
    """What an error needs to know of a kind."""

    @property
    def group(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Problem(StrEnum):
    """The reasons of a field error, as `details.causes[].reason` spells them."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"
    INTERNAL = "InternalError"


_WORDS = {
    Problem.NOT_FOUND: "Not found",
    Problem.REQUIRED: "Required value",
    Problem.DUPLICATE: "Duplicate value",
    Problem.INVALID: "Invalid value",
    Problem.NOT_SUPPORTED: "Unsupported value",
    Problem.FORBIDDEN: "Forbidden",
    Problem.TOO_LONG: "Too long",
    Problem.TOO_MANY: "Too many",
    Problem.TYPE_INVALID: "Invalid value",
    Problem.INTERNAL: "Internal error",
}
_WITHOUT_VALUE = frozenset({Problem.REQUIRED, Problem.FORBIDDEN, Problem.TOO_LONG, Problem.INTERNAL})
_OMITTED = object()


@dataclass(frozen=True)
class FieldError:
    """One objection to one field. `field` is a path like `spec.ports[0].name`; `value` is printed by most types."""

    type: Problem
    field: str
    detail: str = ""
    value: Any = _OMITTED

    @classmethod
    def required(cls, path: str, detail: str = "") -> "FieldError":
        """The field must be given."""
        return cls(Problem.REQUIRED, path, detail)

    @classmethod
    def invalid(cls, path: str, value: Any, detail: str) -> "FieldError":
        """The value is malformed or out of bounds."""
        return cls(Problem.INVALID, path, detail, value)

    @classmethod
    def type_invalid(cls, path: str, value: Any, detail: str) -> "FieldError":
        """The value is of the wrong JSON type."""
        return cls(Problem.TYPE_INVALID, path, detail, value)

    @classmethod
    def not_supported(cls, path: str, value: Any, supported: Sequence[str]) -> "FieldError":
        """The value is none of an enumeration."""
        detail = "supported values: " + ", ".join(quote(each) for each in supported) if supported else ""
        return cls(Problem.NOT_SUPPORTED, path, detail, value)

    @classmethod
    def forbidden(cls, path: str, detail: str) -> "FieldError":
        """The field may not be given, or not be changed, here."""
        return cls(Problem.FORBIDDEN, path, detail)

    @classmethod
    def duplicate(cls, path: str, value: Any) -> "FieldError":
        """The value must be unique in its list and is not."""
        return cls(Problem.DUPLICATE, path, "", value)

    @classmethod
    def not_found(cls, path: str, value: Any) -> "FieldError":
        """The value names something that does not exist."""
        return cls(Problem.NOT_FOUND, path, "", value)

    @classmethod
    def too_long(cls, path: str, limit_bytes: int) -> "FieldError":
        """The value has too many bytes."""
        return cls(Problem.TOO_LONG, path, f"may not be more than {limit_bytes} bytes")

    @classmethod
    def too_many(cls, path: str, actual: int, limit: int) -> "FieldError":
        """The list has too many items."""
        return cls(Problem.TOO_MANY, path, f"must have at most {limit} items", actual)

    @property
    def body(self) -> str:
        """The objection without the path, as `details.causes[].message` carries it."""
        text = _WORDS[self.type]
        if self.type not in _WITHOUT_VALUE and self.value is not _OMITTED:
            text += f": {_printed(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def message(self) -> str:
        """The objection as people read it: `spec.capacity: Required value`."""
        return f"{self.field}: {self.body}"

    def cause(self) -> JSON:
        """The entry of `details.causes`."""
        return {"reason": str(self.type), "message": self.body, "field": self.field}


@dataclass
class ApiError(Exception):
    """A request that fails. `metadata` becomes the Status's (a 410 of a chunked list carries its new token there)."""

    code: int
    reason: str
    message: str
    details: JSON = field(default_factory=dict)
    metadata: JSON = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    def status(self) -> JSON:
        """The Status object."""
        status: JSON = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        status |= {"message": self.message, **({"reason": self.reason} if self.reason else {})}
        if self.details:
            status["details"] = self.details
        return status | {"code": self.code}


def success(details: JSON | None = None) -> JSON:
    """The Status object of a write that has no object to answer with."""
    status: JSON = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status | ({"details": details} if details else {})


def resource_name(kind: Named) -> str:
    """`pods`, `storageclasses.storage.k8s.io`: how messages call a resource."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def kind_name(kind: Named) -> str:
    """`Pod`, `StorageClass.storage.k8s.io`: how messages call a kind."""
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def not_found(kind: Named, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, "NotFound", f"{resource_name(kind)} {quote(name)} not found", _details(kind, name))


def already_exists(kind: Named, name: str) -> ApiError:
    """409: the name is taken."""
    return ApiError(409, "AlreadyExists", f"{resource_name(kind)} {quote(name)} already exists", _details(kind, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(kind: Named, name: str, why: str = MODIFIED) -> ApiError:
    """409: the object is not as the caller believed."""
    message = f"Operation cannot be fulfilled on {resource_name(kind)} {quote(name)}: {why}"
    return ApiError(409, "Conflict", message, _details(kind, name))


def invalid(kind: Named, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422: the object breaks rules; one cause each."""
    messages = list(dict.fromkeys(error.message for error in errors))
    text = messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"
    details = _details(kind, name) | {"kind": kind.kind, "causes": [error.cause() for error in errors]}
    return ApiError(422, "Invalid", f"{kind_name(kind)} {quote(name)} is invalid: {text}", details)


def forbidden(kind: Named, name: str, why: str) -> ApiError:
    """403: admission or authorization says no."""
    about = f"{resource_name(kind)} {quote(name)}" if name else resource_name(kind)
    return ApiError(403, "Forbidden", f"{about} is forbidden: {why}", _details(kind, name))


def bad_request(message: str) -> ApiError:
    """400: the request can not be read."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """401: nobody the server knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def no_such_resource() -> ApiError:
    """404: nothing is served at this path."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    """405: the path is served, the verb is not."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message)


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """406: no representation that the client accepts."""
    return ApiError(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(accepted)}")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: the body is in a format that is not read here."""
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def too_large(limit_bytes: int) -> ApiError:
    """413: the body is longer than the server reads."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit_bytes}")


def expired(message: str, metadata: JSON | None = None) -> ApiError:
    """410: the version asked for is compacted away."""
    return ApiError(410, "Expired", message, metadata=metadata or {})


def gone(message: str) -> ApiError:
    """410: what was here is not served any more."""
    return ApiError(410, "Gone", message)


def too_large_version(wanted: int, current: int) -> ApiError:
    """504: the version asked for is yet to come."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def too_many_requests(message: str, retry_after_seconds: int = 0, causes: Sequence[JSON] = ()) -> ApiError:
    """429: not now."""
    details: JSON = {"causes": list(causes)} if causes else {}
    if retry_after_seconds:
        details["retryAfterSeconds"] = retry_after_seconds
    return ApiError(429, "TooManyRequests", message, details)


def timeout(message: str) -> ApiError:
    """504: the request took longer than it may."""
    return ApiError(504, "Timeout", f"Timeout: {message}")


def unspecific(message: str) -> ApiError:
    """500 without a reason: what the real server answers where it forgot to say whose fault it is."""
    return ApiError(500, "", message)


def internal(message: str) -> ApiError:
    """500: the server is at fault."""
    causes = [{"message": message}]
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", {"causes": causes})


def quote(text: str) -> str:
    """Text in double quotes as Go's %q prints it."""
    return '"' + "".join(_ESCAPES.get(char) or _escaped(char) for char in text) + '"'


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n"}
_ESCAPES |= {"\r": "\\r", "\t": "\\t", "\v": "\\v"}


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    point = ord(char)
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _printed(value: Any) -> str:
    return quote(value) if isinstance(value, str) else orjson.dumps(value).decode()


def _details(kind: Named, name: str) -> JSON:
    details = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in details.items() if value}
