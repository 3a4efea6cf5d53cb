"""AdmissionReview v1, as the API server sends and reads it: decoding, and answers it will accept.

An answer that the server can not use counts as a failed call, and a patch that does not apply fails the request even
under failurePolicy Ignore: so what goes out is checked here once. Rule: `admission.k8s.io/v1` of the API reference.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
import orjson

from model.meta import JSON, Object
from model.resources import Resource
from webhooks.rules import RULES
from webhooks.rules.evaluate import Verdict
from webhooks.rules.rule import Denial, Operation, Phase, Reason, Review

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

MAX_BODY_BYTES: Final = 7 * 2**20
"""A client's body has at most 3 MiB, a review holds two objects."""
MAX_MESSAGE: Final = 2048
MAX_WARNING: Final = 256
MAX_WARNINGS: Final = 4096
"""Characters of all warnings; beyond it the server would cut each of them."""

RULED: Final = {(each.resource.group, each.resource.kind): each.resource for each in RULES}
_CODES: Final = {Reason.FORBIDDEN: 403, Reason.INVALID: 422}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class ReviewError(ValueError):
    """The body is no review that can be answered; the message names the field."""


class GroupVersionKind(msgspec.Struct, frozen=True):
    """A kind, group "" being core."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(msgspec.Struct, frozen=True):
    """Who asks."""

    username: str = ""


class AdmissionRequest(msgspec.Struct, frozen=True, rename="camel"):
    """`request` of a review."""

    uid: str
    kind: GroupVersionKind
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: UserInfo = UserInfo()
    object: JSON | None = None
    old_object: JSON | None = None
    dry_run: bool | None = None


class AdmissionReview(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a call. Versions are checked by `request_of`, for a message that says what is spoken here."""

    api_version: str = ""
    kind: str = ""
    request: AdmissionRequest | None = None


def request_of(review: AdmissionReview) -> AdmissionRequest:
    """The request inside.

    Raises:
        ReviewError: another kind or version, or no request with a uid.
    """
    if (review.api_version, review.kind) != (API_VERSION, KIND):
        raise ReviewError(
            f"apiVersion {review.api_version!r} and kind {review.kind!r}: expected {API_VERSION} and {KIND}; "
            'register the webhook with admissionReviewVersions ["v1"]'
        )
    if review.request is None or not review.request.uid:
        raise ReviewError("request.uid is required: it is copied into the answer")
    return review.request


def read(request: AdmissionRequest) -> Review[Any] | None:
    """What rules look at; None for what none concerns: other kinds, subresources, CONNECT.

    Raises:
        ReviewError: the objects are missing or not of their kind.
    """
    resource = RULED.get((request.kind.group, request.kind.kind))
    if resource is None or request.sub_resource or request.operation == "CONNECT":
        return None
    user = request.user_info.username
    old = None if request.operation == "CREATE" else _view(resource, "oldObject", request.old_object)
    if request.operation == "DELETE":
        return Review(Operation.DELETE, *_present("oldObject", old), user=user)
    new = _view(resource, "object", request.object)
    subject, raw = _present("object", new)
    if request.operation == "CREATE":
        return Review(Operation.CREATE, subject, raw, user=user)
    return Review(Operation.UPDATE, subject, raw, *_present("oldObject", old), user=user)


def _view(resource: Resource[Any], field: str, raw: JSON | None) -> tuple[Object, JSON] | None:
    if raw is None:
        return None
    try:
        return msgspec.convert(raw, resource.view), raw
    except msgspec.ValidationError as error:
        raise ReviewError(f"request.{field} is no {resource.kind}: {error}") from error


def _present(field: str, pair: tuple[Object, JSON] | None) -> tuple[Object, JSON]:
    if pair is None:
        raise ReviewError(f"request.{field} is required for this operation")
    return pair


def answer(request: AdmissionRequest, phase: Phase, verdict: Verdict | None) -> JSON:
    """The review that answers; without a verdict, the request is let pass."""
    response: JSON = {"uid": request.uid, "allowed": verdict is None or not verdict.denials}
    if verdict is not None:
        if verdict.denials:
            response["status"] = _status(verdict.denials)
        elif verdict.patch and phase is Phase.MUTATE:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(orjson.dumps(verdict.patch)).decode()
        if verdict.warnings:
            response["warnings"] = fitting(verdict.warnings)
        if verdict.rules:
            response["auditAnnotations"] = {"rules": ",".join(verdict.rules)}
    return {"apiVersion": API_VERSION, "kind": KIND, "response": response}


def _status(denials: Sequence[Denial]) -> JSON:
    first = denials[0]
    causes = [
        {"reason": "FieldValueInvalid", "message": _cut(each.message, MAX_MESSAGE), "field": each.field}
        for each in denials
    ]
    return {
        "status": "Failure",
        "code": _CODES[first.reason],
        "reason": first.reason.value,
        "message": _cut("; ".join(each.message for each in denials), MAX_MESSAGE),
        "details": {"causes": causes},
    }


def fitting(warnings: Iterable[str]) -> list[str]:
    """Warnings as the server can pass them on: a header has no control characters and a length."""
    kept: list[str] = []
    left = MAX_WARNINGS
    for warning in warnings:
        line = _cut(_CONTROL.sub(" ", warning), MAX_WARNING)
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return kept


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
