"""AdmissionReview v1: the question as it is sent, and the answer with all that is checked of it."""

from typing import Any, Final

import msgspec

from model.meta import JSON
from sandbox.attributes import Attributes
from sandbox.conversion import from_stored, to_stored
from sandbox.errors import ApiError, quote
from sandbox.kinds import Kind

VERSION: Final = "v1"
_API_VERSION: Final = f"admission.k8s.io/{VERSION}"
_KIND: Final = "AdmissionReview"
_EXPECTED: Final = f"{_API_VERSION}, Kind={_KIND}"


class CallError(Exception):
    """The webhook could not be asked, or its answer is none; what follows is its failurePolicy's matter."""


class Response(msgspec.Struct, frozen=True, rename="camel"):
    """`response` of an AdmissionReview. `patch` is base64 on the wire."""

    uid: str | None = None
    allowed: bool | None = None
    status: JSON | None = None
    patch: bytes | None = None
    patch_type: str | None = None
    warnings: tuple[str, ...] | None = None
    audit_annotations: dict[str, str] | None = None


class _Review(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str | None = None
    kind: str | None = None
    response: Response | None = None


def question(uid: str, request: Attributes, kind: Kind) -> JSON:
    """The review that a webhook which wants to see this version of the kind is sent."""
    user = request.call.user
    about: JSON = {
        "uid": uid,
        "kind": _kind(request, kind),
        "resource": _resource(kind),
        "subResource": request.subresource or None,
        "requestKind": _kind(request, request.kind),
        "requestResource": _resource(request.kind),
        "requestSubResource": request.subresource or None,
        "name": request.name or None,
        "namespace": (request.name if kind.stored_resource == "namespaces" else request.namespace) or None,
        "operation": request.operation,
        "userInfo": {"username": user.name, "uid": user.uid or None, "groups": list(user.groups) or None},
        "object": shown(request, kind, request.obj),
        "oldObject": shown(request, kind, request.old),
        "dryRun": request.call.dry_run,
        "options": request.options or None,
    }
    kept = {
        key: value for key, value in about.items() if value is not None or key in ("object", "oldObject", "options")
    }
    kept["userInfo"] = {key: value for key, value in about["userInfo"].items() if value is not None}
    return {"kind": _KIND, "apiVersion": _API_VERSION, "request": kept}


def shown(request: Attributes, kind: Kind, obj: JSON | None) -> JSON | None:
    """The object of a request in another version of its kind."""
    if obj is None or request.own_body or kind == request.kind:
        return obj
    return from_stored(kind, to_stored(request.kind, obj))


def answer(uid: str, body: bytes, *, mutating: bool) -> Response:
    """The answer in the body.

    Raises:
        CallError: it is not a valid answer to the question of this uid.
    """
    try:
        review = msgspec.json.decode(body, type=_Review)
    except msgspec.DecodeError as error:
        raise CallError(f"failed to call webhook: {error}") from error
    response = review.response
    if response is None:
        raise _invalid("webhook response was absent")
    if response.uid != uid:
        raise _invalid(f"expected response.uid={quote(uid)}, got {quote(response.uid or '')}")
    group, _, version = (review.api_version or "/").rpartition("/")
    got = f"{group}/{version}, Kind={review.kind or ''}"
    if got != _EXPECTED:
        raise _invalid(f"expected webhook response of {_EXPECTED}, got {got}")
    _check_patch(response, mutating=mutating)
    return response


def denial(name: str, status: JSON | None) -> ApiError:
    """The refusal, with code, reason and details as the webhook gave them."""
    given: dict[str, Any] = status or {}
    head = f"admission webhook {quote(name)} denied the request"
    why = given.get("message") or given.get("reason")
    code = given.get("code")
    return ApiError(
        code if isinstance(code, int) and 400 <= code < 600 else 400,
        str(given.get("reason") or ""),
        f"{head}: {why}" if why else f"{head} without explanation",
        details if isinstance(details := given.get("details"), dict) else {},
    )


def _check_patch(response: Response, *, mutating: bool) -> None:
    has_type = response.patch_type is not None
    if not mutating:
        if response.patch:
            raise _invalid("validating webhook may not return response.patch")
        if has_type:
            raise _invalid("validating webhook may not return response.patchType")
    elif response.patch and not has_type:
        raise _invalid("webhook returned response.patch but not response.patchType")
    elif has_type and not response.patch:
        raise _invalid("webhook returned response.patchType but not response.patch")
    elif response.patch_type == "":
        raise _invalid('webhook returned invalid response.patchType of ""')
    elif has_type and response.patch_type != "JSONPatch" and response.allowed:
        raise CallError(f"unsupported patch type {quote(response.patch_type or '')}")


def _invalid(why: str) -> CallError:
    return CallError(f"received invalid webhook response: {why}")


def _kind(request: Attributes, kind: Kind) -> JSON:
    if request.own_body:
        api_version, name = request.own_body
        group, _, version = api_version.rpartition("/")
        return {"group": group, "version": version, "kind": name}
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(kind: Kind) -> JSON:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}
