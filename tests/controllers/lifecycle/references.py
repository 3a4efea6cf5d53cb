"""`@uid:Kind/namespace/name` in the strings of a case: the UID of that object, once it is known, and for ever after."""

from collections.abc import Iterator
from typing import Any

from model.meta import JSON

MARK = "@uid:"
_UID_LENGTH = 36


class Uids:
    """The UIDs of all objects seen so far."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._tokens: dict[str, str] = {}

    def learn(self, obj: JSON) -> None:
        """Remember an object's."""
        metadata = obj["metadata"]
        token = f"{obj['kind']}/{metadata.get('namespace', '')}/{metadata['name']}"
        self._known[token] = metadata["uid"]
        self._tokens[metadata["uid"]] = token

    def knows(self, uid: str) -> bool:
        """Whether it is the UID of an object that was seen."""
        return uid in self._tokens

    def knows_all(self, value: Any) -> bool:
        """Whether every reference in it can be resolved."""
        return all(token in self._known for token in _tokens(value))

    def resolved(self, value: Any) -> Any:
        """The value with UIDs in place of references; KeyError names one that is not known."""
        match value:
            case dict():
                return {key: self.resolved(each) for key, each in value.items()}
            case list():
                return [self.resolved(each) for each in value]
            case str() if MARK in value:
                head, _, token = value.partition(MARK)
                return head + self._known[token]
            case _:
                return value

    def named(self, value: Any) -> Any:
        """The value with references in place of UIDs: what `resolved` undoes."""
        match value:
            case dict():
                return {key: self.named(each) for key, each in value.items()}
            case list():
                return [self.named(each) for each in value]
            case str() if value[-_UID_LENGTH:] in self._tokens:
                return value[:-_UID_LENGTH] + MARK + self._tokens[value[-_UID_LENGTH:]]
            case _:
                return value


def _tokens(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from _tokens(each)
        case list():
            for each in value:
                yield from _tokens(each)
        case str() if MARK in value:
            yield value.partition(MARK)[2]
