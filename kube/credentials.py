"""Credentials that stay fresh: fetched before they expire and after the server refused them, one fetch at a time.

Secrets are kept out of every repr; no error text here holds one.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import structlog

from kube.errors import CredentialsError
from kube.tls import KeyPair

log = structlog.get_logger()

TOKEN_FILE_SECONDS: Final = 60.0
"""How long a token file's content is used before it is read again; the kubelet renews well ahead."""
RETRY_SECONDS: Final = 5.0
"""The least time between two fetches, whether they fail or give what the server refuses."""


@dataclass(frozen=True)
class Credential:
    """What proves who we are: an Authorization header, a key pair, or both. Lifetimes in seconds, None for ever.

    After `refresh_seconds` a new one is fetched; after `valid_seconds` this one is of no more use.
    """

    authorization: str | None = field(default=None, repr=False)
    pair: KeyPair | None = field(default=None, repr=False)
    refresh_seconds: float | None = None
    valid_seconds: float | None = None

    def proves_the_same(self, other: "Credential") -> bool:
        """Whether a server that refused one would refuse the other."""
        return (self.authorization, self.pair) == (other.authorization, other.pair)


class Credentials(Protocol):
    """A source of credentials."""

    async def current(self) -> Credential:
        """The credential for the next request. Raises CredentialsError."""

    async def renew(self, refused: Credential) -> bool:
        """After a 401: whether `current` now gives another. Raises CredentialsError."""


class Static:
    """Credentials that never change."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def current(self) -> Credential:
        """Always the same."""
        return self._credential

    async def renew(self, refused: Credential) -> bool:  # noqa: ARG002 - the protocol's signature
        """There is no other."""
        return False


class Renewing:
    """Credentials from `fetch`, asked again when it is time."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Credential]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._credential: Credential | None = None
        self._refresh_at = self._valid_until = self._fetched = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self) -> Credential:
        """The newest; an older one that is still valid while a fetch fails."""
        if self._credential is None or self._clock() >= self._refresh_at:
            async with self._lock:
                if self._credential is None or self._clock() >= self._refresh_at:
                    return await self._refreshed()
        return self._credential

    async def renew(self, refused: Credential) -> bool:
        """Fetch now, unless another request did so since, or one has just been fetched in vain."""
        async with self._lock:
            have = self._credential
            if have is not None and have.proves_the_same(refused):
                if self._clock() - self._fetched < RETRY_SECONDS:
                    return False
                have = await self._refreshed()
        return have is not None and not have.proves_the_same(refused)

    async def _refreshed(self) -> Credential:
        self._fetched = self._clock()
        try:
            credential = await self._fetch()
        except CredentialsError as error:
            if self._credential is None or self._clock() >= self._valid_until:
                raise
            log.warning("credentials not renewed, the older ones are still valid", error=str(error))
            self._refresh_at = self._clock() + RETRY_SECONDS
            return self._credential
        now = self._clock()
        self._credential = credential
        self._refresh_at = _after(now, credential.refresh_seconds)
        self._valid_until = _after(now, credential.valid_seconds)
        return credential


def _after(now: float, seconds: float | None) -> float:
    return float("inf") if seconds is None else now + max(seconds, RETRY_SECONDS)


def token_file(path: Path) -> Renewing:
    """The bearer token in a file that somebody renews."""

    def read() -> Credential:
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, ValueError) as error:
            raise CredentialsError(f"token file {path}: {_reason(error)}") from None
        return Credential(bearer(text, f"token file {path}"), refresh_seconds=TOKEN_FILE_SECONDS)

    async def fetch() -> Credential:
        return await asyncio.to_thread(read)

    return Renewing(fetch)


def bearer(token: str, where: str) -> str:
    """The header for a token; `where` it is from, for the error.

    Raises:
        CredentialsError: it is empty, or no token can look like that.
    """
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError(f"{where}: expected one token of printable characters, without spaces")
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """The header for a name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _reason(error: Exception) -> str:
    return (error.strerror or "can not be read") if isinstance(error, OSError) else "not text"
