"""The forms of names, labels and annotations, each check in the words of the real server.

Source: "Object Names and IDs", "Labels and Selectors", "Annotations" in the Kubernetes concepts.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sandbox.errors import FieldError

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_RULE: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_RULE: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_KEY_RULE: Final = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' "
    "(e.g. 'example.com/MyName')"
)
_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_ANNOTATIONS_BYTES: Final = 256 * 1024


def dns_label(value: str) -> list[str]:
    """What is wrong with an RFC 1123 label, in the server's words."""
    too_long = ["must be no more than 63 characters"] if len(value) > 63 else []
    if _LABEL.fullmatch(value):
        return too_long
    return [*too_long, "must not contain dots" if _SUBDOMAIN.fullmatch(value) else _LABEL_RULE]


def dns_1035_label(value: str) -> list[str]:
    """What is wrong with an RFC 1035 label, which may not begin with a digit."""
    too_long = ["must be no more than 63 characters"] if len(value) > 63 else []
    return too_long + ([] if _LABEL_1035.fullmatch(value) else [_LABEL_1035_RULE])


def dns_subdomain(value: str) -> list[str]:
    """What is wrong with an RFC 1123 subdomain."""
    too_long = ["must be no more than 253 characters"] if len(value) > 253 else []
    return too_long + ([] if _SUBDOMAIN.fullmatch(value) else [_SUBDOMAIN_RULE])


def dns_subdomain_of_any_case(value: str) -> list[str]:
    """What is wrong with an RFC 1123 subdomain that may have capital letters."""
    return [
        why.replace("a lowercase RFC", "an RFC").replace("lower case alpha", "alpha").replace("'example", "'Example")
        for why in dns_subdomain(value.lower())
    ]


def path_segment(value: str) -> list[str]:
    """What keeps a value from being one segment of a path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def qualified_name(value: str) -> list[str]:
    """What is wrong with a key of a label, an annotation or a finalizer."""
    prefix, slash, name = value.rpartition("/")
    problems = []
    if slash:
        if not prefix:
            problems.append("prefix part must be non-empty")
        objections = dns_subdomain(prefix) if prefix else ()
        problems += [f"prefix part {each.replace('253 characters', '253 bytes')}" for each in objections]
        if "/" in prefix:
            return [_KEY_RULE]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part must be no more than 63 bytes")
    return problems + ([] if _QUALIFIED.fullmatch(name) else [_QUALIFIED_RULE])


def label_value(value: str) -> list[str]:
    """What is wrong with the value of a label."""
    too_long = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return too_long + ([] if _VALUE.fullmatch(value) else [_VALUE_RULE])


def labels(path: str, given: Mapping[str, str]) -> Iterable[FieldError]:
    """Objections to labels."""
    for key, value in given.items():
        yield from (FieldError.invalid(path, key, why) for why in qualified_name(key))
        yield from (FieldError.invalid(path, value, why) for why in label_value(value))


def annotations(path: str, given: Mapping[str, Any]) -> Iterable[FieldError]:
    """Objections to annotations."""
    for key in given:
        yield from (FieldError.invalid(path, key, why) for why in qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in given.items()) > _ANNOTATIONS_BYTES:
        yield FieldError.too_long(path, _ANNOTATIONS_BYTES)
