"""What makes a registration of webhooks invalid.

Source: "Dynamic Admission Control" in the Kubernetes documentation, and the fields of both configurations in the API
reference.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import chosen, duplicates
from sandbox.rules.selectors import label_selector

_REVIEW_VERSIONS: Final = ("v1", "v1beta1")
_OPERATIONS: Final = ("*", "CREATE", "UPDATE", "DELETE", "CONNECT")
_ENUMERATIONS: Final = {
    "failurePolicy": ("Ignore", "Fail"),
    "matchPolicy": ("Exact", "Equivalent"),
    "reinvocationPolicy": ("Never", "IfNeeded"),
}
_SIDE_EFFECTS: Final = ("None", "NoneOnDryRun")
_FORM: Final = "; desired format: https://host[/path]"


def new(obj: JSON) -> Iterator[FieldError]:
    """Objections to a configuration in any state."""
    webhooks = obj.get("webhooks") or ()
    for index, webhook in enumerate(webhooks):
        yield from _webhook(f"webhooks[{index}]", webhook)
    named = [(f"webhooks[{index}].name", each.get("name", "")) for index, each in enumerate(webhooks)]
    yield from duplicates(pair for pair in named if pair[1])


def _webhook(path: str, webhook: JSON) -> Iterator[FieldError]:
    yield from _qualified(f"{path}.name", webhook.get("name") or "")
    for index, rule in enumerate(webhook.get("rules") or ()):
        yield from _rule(f"{path}.rules[{index}]", rule)
    for field, supported in _ENUMERATIONS.items():
        if (value := webhook.get(field)) is not None:
            yield from chosen(f"{path}.{field}", value, supported)
    yield from _effects(f"{path}.sideEffects", webhook.get("sideEffects"))
    seconds = webhook.get("timeoutSeconds")
    if seconds is not None and not 1 <= seconds <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        yield FieldError.invalid(f"{path}.timeoutSeconds", seconds, why)
    for field in ("namespaceSelector", "objectSelector"):
        if (selector := webhook.get(field)) is not None:
            yield from label_selector(f"{path}.{field}", selector)
    yield from _client(f"{path}.clientConfig", webhook.get("clientConfig") or {})
    yield from _versions(f"{path}.admissionReviewVersions", webhook.get("admissionReviewVersions") or ())


def _qualified(path: str, name: str) -> Iterator[FieldError]:
    if not name:
        yield FieldError.required(path)
    elif problems := names.dns_subdomain(name):
        yield FieldError.invalid(path, name, ",".join(problems))
    elif name.count(".") < 2:
        why = "should be a domain with at least three segments separated by dots"
        yield FieldError.invalid(path, name, why)


def _effects(path: str, effects: str | None) -> Iterator[FieldError]:
    if effects is None:
        yield FieldError.required(path, f"must specify one of {', '.join(_SIDE_EFFECTS)}")
    else:
        yield from chosen(path, effects, _SIDE_EFFECTS)


def _rule(path: str, rule: JSON) -> Iterator[FieldError]:
    operations = rule.get("operations") or ()
    yield from _alone(f"{path}.operations", operations, "operations")
    for index, operation in enumerate(operations):
        yield from chosen(f"{path}.operations[{index}]", operation, _OPERATIONS)
    yield from _alone(f"{path}.apiGroups", rule.get("apiGroups") or (), "API groups")
    versions = rule.get("apiVersions") or ()
    yield from _alone(f"{path}.apiVersions", versions, "API versions")
    yield from (FieldError.required(f"{path}.apiVersions[{index}]") for index, each in enumerate(versions) if not each)
    yield from _resources(f"{path}.resources", rule.get("resources") or ())
    if (scope := rule.get("scope")) is not None:
        yield from chosen(f"{path}.scope", scope, ("Cluster", "Namespaced", "*"))


def _alone(path: str, values: Sequence[str], what: str) -> Iterator[FieldError]:
    """A list that must not be empty, and in which `*` stands alone."""
    if not values:
        yield FieldError.required(path)
    if len(values) > 1 and "*" in values:
        yield FieldError.invalid(path, values, f"if '*' is present, must not specify other {what}")


def _resources(path: str, resources: Sequence[str]) -> Iterator[FieldError]:
    if not resources:
        yield FieldError.required(path)
    whole: set[str] = set()
    everywhere: set[str] = set()
    for index, each in enumerate(resources):
        if not each:
            yield FieldError.required(f"{path}[{index}]")
        resource, slash, subresource = each.partition("/")
        if not slash:
            continue
        for general, known in ((f"{resource}/*", resource in whole), (f"*/{subresource}", subresource in everywhere)):
            if known:
                why = f"if '{general}' is present, must not specify {each}"
                yield FieldError.invalid(f"{path}[{index}]", each, why)
        whole |= {resource} if subresource == "*" else set()
        everywhere |= {subresource} if resource == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        yield FieldError.invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and any(each != "*" and "/" not in each for each in resources):
        why = "if '*' is present, must not specify other resources without subresources"
        yield FieldError.invalid(path, resources, why)


def _client(path: str, client: JSON) -> Iterator[FieldError]:
    url, service = client.get("url"), client.get("service")
    if (url is None) == (service is None):
        yield FieldError.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from _url(f"{path}.url", url)
    elif service is not None:
        yield from _service(f"{path}.service", service)


def _url(path: str, url: str) -> Iterator[FieldError]:
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield FieldError.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        yield FieldError.invalid(path, host, f"host must be specified{_FORM}")
    for given, what in (
        (user, "user information is"),
        (parts.fragment, "fragments are"),
        (parts.query, "query parameters are"),
    ):
        if given:
            yield FieldError.invalid(path, given, f"{what} not permitted in the URL")


def _service(path: str, service: JSON) -> Iterator[FieldError]:
    # The real server confuses the two, and tells of the one that is there.
    for field, told in (("namespace", "name"), ("name", "namespace")):
        if not service.get(field):
            yield FieldError.required(f"{path}.{told}")
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        why = "port is not valid: must be between 1 and 65535, inclusive"
        yield FieldError.invalid(f"{path}.port", port, why)
    url_path = service.get("path") or "/"
    if url_path == "/":
        return
    if not url_path.startswith("/"):
        yield FieldError.invalid(f"{path}.path", url_path, "must start with a '/'")
    for index, step in enumerate(url_path[1:].removesuffix("/").split("/")):
        problems = names.dns_subdomain(step) if step else ()
        if not step:
            yield FieldError.invalid(f"{path}.path", url_path, f"segment[{index}] may not be empty")
        yield from (FieldError.invalid(f"{path}.path", url_path, f"segment[{index}]: {why}") for why in problems)


def _versions(path: str, versions: Sequence[str]) -> Iterator[FieldError]:
    known = ", ".join(_REVIEW_VERSIONS)
    if not versions:
        yield FieldError.required(path, f"must specify one of {known}")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        if version in seen:
            yield FieldError.invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from (FieldError.invalid(f"{path}[{index}]", version, why) for why in names.dns_1035_label(version))
        seen.add(version)
    if not seen & set(_REVIEW_VERSIONS):
        yield FieldError.invalid(path, versions, f"must include at least one of {known}")
