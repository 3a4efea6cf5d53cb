"""Kubernetes quantities ("10Gi", "500m", "1e3") as exact integers and back.

A quantity is kept in billionths of its unit, as the finest suffix is `n`: comparison is then exact (1G does not
satisfy 1Gi) and finer fractions round up, away from zero. Rule: "Quantity" in the Kubernetes API reference.
"""

import re
from functools import lru_cache
from typing import Final

NANO: Final = 10**9
"""Billionths in one unit."""

_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX: Final = {power: suffix for suffix, power in _DECIMAL.items()}
_PATTERN: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,3}))?",
)
_MAX_LENGTH: Final = 64
_MAX_NANOS: Final = (2**63 - 1) * NANO
"""The API server caps what it reads at the largest 64-bit whole number."""


class QuantityError(ValueError):
    """The text is no quantity; the message names it."""


@lru_cache(maxsize=4096)
def nanos(text: str) -> int:
    """The quantity in billionths, rounded up (away from zero), capped at 2^63-1 units.

    Raises:
        QuantityError: not a quantity (spaces, other digits, NaN and unknown suffixes are none).
    """
    match = _PATTERN.fullmatch(text) if len(text) <= _MAX_LENGTH and text.isascii() else None
    if match is None or not (match["whole"] or match["fraction"]):
        raise QuantityError(f"{text!r} is no quantity: expected a number with an optional suffix, like 10Gi")
    digits, scale = (match["whole"] or "") + (match["fraction"] or ""), len(match["fraction"] or "")
    numerator, denominator = int(digits), 10**scale
    suffix = match["suffix"] or ""
    if suffix in _BINARY:
        numerator *= _BINARY[suffix] * NANO
    else:
        power = (int(match["exponent"]) if match["exponent"] else _DECIMAL[suffix]) + 9
        numerator, denominator = numerator * 10 ** max(power, 0), denominator * 10 ** max(-power, 0)
    value = min(int(-(-numerator // denominator)), _MAX_NANOS)
    return -value if match["sign"] == "-" else value


def whole(text: str) -> int:
    """The quantity in whole units (bytes, for storage), rounded up away from zero.

    Raises:
        QuantityError: not a quantity.
    """
    value = nanos(text)
    return -(-value // NANO) if value >= 0 else value // NANO


def format_bytes(count: int) -> str:
    """Bytes as the shortest exact binary quantity: 1073741824 is "1Gi", 1000 is "1000"."""
    return _format_binary(count)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The form in which the API server stores a quantity: no fraction, the largest exact suffix of its own family.

    Raises:
        QuantityError: not a quantity.
    """
    value = nanos(text)
    if text[-1:] == "i":
        # A binary quantity below 1024, or not whole, is written in the decimal family.
        return (
            _format_binary(value // NANO) if value % NANO == 0 and abs(value) >= 1024 * NANO else _format_decimal(value)
        )
    if re.search(r"[eE][+-]?[0-9]", text):
        return _format_exponent(value)
    return _format_decimal(value)


def _format_binary(count: int) -> str:
    for suffix, factor in reversed(_BINARY.items()):
        if count and count % factor == 0:
            return f"{count // factor}{suffix}"
    return str(count)


def _format_decimal(value: int) -> str:
    mantissa, power = _thousands(value)
    return f"{mantissa}{_DECIMAL_SUFFIX[power]}"


def _format_exponent(value: int) -> str:
    mantissa, power = _thousands(value)
    return f"{mantissa}e{power}" if power else str(mantissa)


def _thousands(value: int) -> tuple[int, int]:
    """Mantissa and power of ten, a multiple of three and at most 18, of a count of billionths."""
    power = -9
    while value and value % 1000 == 0 and power < 18:
        value, power = value // 1000, power + 3
    return (value, power) if value else (0, 0)
