"""Sets of nodes as bits of one integer: a set operation over 5,000 nodes is one machine instruction per 64 of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_FLAGS: Final = bytes.maketrans(b"01", b"\0\1")

Mask = int
"""Bit n stands for the node at position n of the index that made it."""
Ranks = Mapping[int, Mask]
"""Nodes by a number that each has; those in none have 0."""


def bit(position: int) -> Mask:
    """The set of one node."""
    return 1 << position


def of(positions: Iterable[int], size: int) -> Mask:
    """The set of these positions, all below `size`; linear, where or-ing single bits would be quadratic."""
    digits, one = bytearray(b"0") * (size + 1), ord("1")
    for position in positions:
        digits[size - position] = one
    return int(digits, 2)


def positions(mask: Mask) -> Iterator[int]:
    """The positions in the set, ascending."""
    digits = bin(mask)
    last = len(digits) - 1
    found = digits.rfind("1")
    while found > 0:
        yield last - found
        found = digits.rfind("1", 0, found)


def flags(mask: Mask, size: int) -> bytes:
    """One byte per position: 1 where it is in the set, else 0."""
    return format(mask, f"0{size}b").encode().translate(_FLAGS)[::-1] if size else b""
