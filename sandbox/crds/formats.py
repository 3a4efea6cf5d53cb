"""The string formats that schemas of custom kinds may ask for. A format that is not known here binds nothing."""

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

_DURATION = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*|0")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def _date_time(text: str) -> None:
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(text)
    datetime.fromisoformat(re.sub(r"\.(\d+)", lambda match: f".{match[1][:6]:0<6}", text.upper().replace(" ", "T")))


def _matching(pattern: re.Pattern[str]) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not pattern.fullmatch(text):
            raise ValueError(text)

    return check


def _network(text: str) -> None:
    if "/" not in text:
        raise ValueError(text)
    ipaddress.ip_network(text, strict=False)


_CHECKS: dict[str, Callable[[str], Any]] = {
    "date-time": _date_time,
    "datetime": _date_time,
    "date": date.fromisoformat,
    "duration": _matching(_DURATION),
    "email": _matching(_EMAIL),
    "byte": lambda text: base64.b64decode(text, validate=True),
    "uuid": uuid.UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "cidr": _network,
}


def matches_format(name: str, text: str) -> bool:
    """Whether the text is of the format."""
    check = _CHECKS.get(name)
    if check is None:
        return True
    try:
        check(text)
    except (ValueError, binascii.Error):
        return False
    return True
