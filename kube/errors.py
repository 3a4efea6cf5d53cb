"""What can go wrong with the Kubernetes API, one class a cause; callers match on the class, never on the text.

    KubeError
    ├── ConfigError            kubeconfig, in-cluster files: what is wrong and where
    │   └── CredentialsError   an exec plugin or a token file gives no usable credentials
    ├── Unreachable            no whole answer: refused, reset, cut, timed out
    ├── BadAnswer              an answer that is not what the API serves: no JSON, another shape, too large
    ├── LeaseLost              the leader could not renew in time, or another holds the lease
    └── ApiError               the server answered with a Status
        ├── BadRequest         400
        ├── Unauthorized       401
        ├── Forbidden          403
        ├── NotFound           404
        ├── AlreadyExists      409, reason AlreadyExists
        ├── Conflict           409: the resourceVersion or uid has moved on
        ├── Gone               410: the version or the continue token has been compacted away
        ├── Invalid            422, `details.causes` names the fields
        ├── TooManyRequests    429, `retry_after` in seconds
        ├── ServerError        500 and every other 5xx
        ├── ServerTimeout      500 or 504, reason ServerTimeout or Timeout: the write may or may not have happened
        └── Unavailable        503

The reason of a Status decides before its code ("Response Status Kind" of the Kubernetes API conventions).
"""

from typing import Final

import msgspec

# ruff: noqa: N818 - each class is named by what happened, as the API names its reasons


class Cause(msgspec.Struct, frozen=True, gc=False):
    """One reason of a refusal: which field, what kind of fault, in words."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Status.details: the object spoken of and the causes."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] | None = None
    retry_after_seconds: int | None = None


class Status(msgspec.Struct, frozen=True, gc=False):
    """The API's Status object, the body of every refusal."""

    kind: str = ""
    status: str = ""
    code: int = 0
    reason: str = ""
    message: str = ""
    details: Details | None = None


class KubeError(Exception):
    """Anything that the API or the way to it did."""


class ConfigError(KubeError):
    """The configuration names no usable cluster or user; the message says where and what to mend."""


class CredentialsError(ConfigError):
    """Credentials can not be had now; trying again later may help."""


class Unreachable(KubeError):
    """No whole answer came. If `sent`, the server may have got the request, so a write may have happened."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class BadAnswer(KubeError):
    """The answer can not be read."""


class LeaseLost(KubeError):
    """Leadership has ended without our doing; the work was cancelled and has ended."""


class ApiError(KubeError):
    """The server refused, with a Status."""

    def __init__(
        self, status: int, reason: str = "", message: str = "", details: Details | None = None, retry_after: float = 0.0
    ) -> None:
        """`status` is the HTTP code; `retry_after` the larger of header and details, in seconds."""
        super().__init__(message or reason or f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or Details()
        self.retry_after = max(retry_after, float(self.details.retry_after_seconds or 0))


class BadRequest(ApiError):
    """400: the request makes no sense to the server."""


class Unauthorized(ApiError):
    """401: the server does not know us."""


class Forbidden(ApiError):
    """403: not allowed to us, by RBAC or by an admission plugin."""


class NotFound(ApiError):
    """404: no such object, or no such resource."""


class AlreadyExists(ApiError):
    """409: the name is taken."""


class Conflict(ApiError):
    """409: a precondition failed; read again and decide anew."""


class Gone(ApiError):
    """410: that version is no longer kept; list again."""


class Invalid(ApiError):
    """422: validation refused the object."""


class TooManyRequests(ApiError):
    """429: not handled; wait `retry_after` seconds."""


class ServerError(ApiError):
    """5xx: the server failed."""


class ServerTimeout(ServerError):
    """The server gave up waiting; the write may or may not have happened."""


class Unavailable(ServerError):
    """503: no server behind the address is ready."""


_BY_REASON: Final[dict[str, type[ApiError]]] = {
    "BadRequest": BadRequest,
    "Unauthorized": Unauthorized,
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Gone": Gone,
    "Expired": Gone,
    "Invalid": Invalid,
    "TooManyRequests": TooManyRequests,
    "StorageReadInitializing": TooManyRequests,
    "ServerTimeout": ServerTimeout,
    "Timeout": ServerTimeout,
    "ServiceUnavailable": Unavailable,
    "InternalError": ServerError,
}
_BY_CODE: Final[dict[int, type[ApiError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
    504: ServerTimeout,
}


def from_status(status: Status, *, code: int = 0, retry_after: float = 0.0) -> ApiError:
    """The error that a Status tells of; `code` is the HTTP code where the Status has none."""
    code = status.code or code
    kind = _BY_REASON.get(status.reason) or _BY_CODE.get(code) or (ServerError if code >= 500 else ApiError)
    return kind(code, status.reason, status.message, status.details, retry_after)
