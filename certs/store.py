"""Where certificates are kept: a set of files that changes as a whole or not at all.

A write says which version it was decided on; whoever comes second gets `ConflictError` and reads again. So two
processes, or two replicas, never end up with two authorities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

MAX_BYTES: Final = 1 << 20
"""Of one set: what a Secret can hold."""


@dataclass(frozen=True)
class Stored:
    """A set of files and the version to name when it is to be replaced; "" where there is none yet."""

    files: Mapping[str, bytes]
    version: str = ""


class Store(Protocol):
    """A set of files under one version."""

    async def load(self) -> Stored:
        """What is stored now.

        Raises:
            StoreError: it can not be read.
        """
        ...

    async def save(self, files: Mapping[str, bytes], version: str) -> None:
        """Replace the whole set, if `version` is still the one stored.

        Raises:
            ConflictError: it is not.
            StoreError: it can not be written; the set that was there is still there.
        """
        ...
