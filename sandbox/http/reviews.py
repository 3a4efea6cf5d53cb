"""Access reviews: whoever is known may do everything here, and these say so in the shapes that kubectl reads."""

from typing import Any, Final

from model.meta import JSON
from sandbox.attributes import User
from sandbox.errors import bad_request

_AUTHORIZATION: Final = "/apis/authorization.k8s.io/v1"
_AUTHENTICATION: Final = "/apis/authentication.k8s.io/v1"
REVIEWS: Final = {
    f"{_AUTHORIZATION}/selfsubjectaccessreviews": "SelfSubjectAccessReview",
    f"{_AUTHORIZATION}/subjectaccessreviews": "SubjectAccessReview",
    f"{_AUTHORIZATION}/selfsubjectrulesreviews": "SelfSubjectRulesReview",
    f"{_AUTHENTICATION}/selfsubjectreviews": "SelfSubjectReview",
}


def review(kind: str, body: Any, user: User) -> JSON:
    """The review with its answer.

    Raises:
        ApiError: the body is no object.
    """
    if not isinstance(body, dict):
        raise bad_request(f"the body is not an object of kind {kind}")
    group = "authentication" if kind == "SelfSubjectReview" else "authorization"
    head: JSON = {"kind": kind, "apiVersion": f"{group}.k8s.io/v1", "metadata": {"creationTimestamp": None}}
    if kind == "SelfSubjectReview":
        return {**head, "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}}}
    spec = {"spec": body.get("spec") or {}}
    if kind == "SelfSubjectRulesReview":
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        paths = {"verbs": ["*"], "nonResourceURLs": ["*"]}
        rules = {"resourceRules": [everything], "nonResourceRules": [paths], "incomplete": False}
        return {**head, **spec, "status": rules}
    return {**head, **spec, "status": {"allowed": True, "reason": "everyone known to the sandbox may do everything"}}
