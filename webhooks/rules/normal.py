"""Normal forms that rules of several kinds share. None of them sorts: the order of modes and options has a meaning."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from model import names, quantity
from model.quantity import NANO, QuantityError
from webhooks.rules.facts import Facts

CURRENT_TOPOLOGY: Final[Mapping[str, str]] = {names.BETA_ZONE: names.ZONE, names.BETA_REGION: names.REGION}
"""Deprecated topology keys and what took their place."""

CURRENT_KEYS: Final[Mapping[str, str]] = {
    **CURRENT_TOPOLOGY,
    names.BETA_OS: names.OS,
    names.BETA_ARCH: names.ARCH,
    names.BETA_INSTANCE_TYPE: names.INSTANCE_TYPE,
}
"""The deprecated keys that a volume's node affinity may exchange for their successors."""


def is_replaceable(deprecated: str, facts: Facts) -> bool:
    """Whether the successor selects the same nodes: none carries the deprecated label without it or another value."""
    current = CURRENT_KEYS[deprecated]
    labels = (node.labels for node in facts.nodes())
    return all(deprecated not in each or each.get(current) == each[deprecated] for each in labels)


def trimmed(options: Iterable[str]) -> list[str]:
    """Mount options without surrounding blanks and empty entries; repetition stays, as later ones override."""
    return [option.strip() for option in options if option.strip()]


def distinct(modes: Iterable[str]) -> list[str]:
    """Each access mode once, at the place of its first occurrence."""
    return list(dict.fromkeys(modes))


def whole_bytes(text: str, *, up: bool) -> str:
    """A quantity of whole bytes as it is written; another one rounded up, or down to no less than 1, in plain digits.

    What is negative or no quantity stays: the server refuses it in its own words.
    """
    try:
        value = quantity.nanos(text)
    except QuantityError:
        return text
    if value < 0 or value % NANO == 0:
        return text
    return str(quantity.whole(text) if up else max(value // NANO, 1))


def same_options(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of mount options hold the same ones."""
    return set(trimmed(one)) == set(trimmed(other))
