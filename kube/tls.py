"""TLS towards the API server: what we trust and what we show, read again when the files change.

A changed file or a freshly issued key pair gives a new context; the HTTP session keeps connections apart by context,
so the next request makes a new connection and older ones end when they are idle.
"""

import asyncio
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from kube.errors import ConfigError

log = structlog.get_logger()

CHECK_SECONDS: Final = 10.0
"""How often files are looked at."""


@dataclass(frozen=True)
class Pem:
    """PEM text, given inline or as a file."""

    data: bytes | None = field(default=None, repr=False)
    path: Path | None = None

    def read(self) -> bytes:
        """The text as it is now. Raises OSError."""
        return self.data if self.data is not None else (self.path or Path()).read_bytes()

    def stamp(self) -> tuple[int, int, int] | None:
        """Changes when the file does; None for inline text and for a file that is not there."""
        try:
            facts = self.path.stat() if self.path else None
        except OSError:
            return None
        return (facts.st_mtime_ns, facts.st_ino, facts.st_size) if facts else None


@dataclass(frozen=True)
class KeyPair:
    """A client certificate and its key."""

    cert: Pem
    key: Pem


class Contexts:
    """Whom we believe and what we show to one server: the TLS context for the next request.

    `ca` None trusts the system's authorities; `verify` False trusts anybody.
    """

    def __init__(self, *, ca: Pem | None, pair: KeyPair | None, verify: bool) -> None:
        self._ca = ca
        self._pair = pair
        self._verify = verify
        self._context: ssl.SSLContext | None = None
        self._made_of: tuple[KeyPair | None, object] = (None, None)
        self._checked = float("-inf")
        self._lock = asyncio.Lock()

    async def current(self, issued: KeyPair | None = None) -> ssl.SSLContext:
        """The context for the next request. `issued`, which a plugin gave, goes before the configured pair.

        Raises:
            ConfigError: a file can not be read or holds no PEM, and no older context is there to go on with.
        """
        pair = issued or self._pair
        async with self._lock:
            due = time.monotonic() - self._checked >= CHECK_SECONDS
            if self._context is None or due or pair != self._made_of[0]:
                self._context = await asyncio.to_thread(self._renewed, pair)
                self._checked = time.monotonic()
            return self._context

    def _renewed(self, pair: KeyPair | None) -> ssl.SSLContext:
        sources = (self._ca, pair and pair.cert, pair and pair.key)
        made_of = (pair, tuple(each.stamp() for each in sources if each))
        if self._context is not None and made_of == self._made_of:
            return self._context
        try:
            context = client_context(self._ca, pair, verify=self._verify)
        except ConfigError as error:
            if self._context is None or pair != self._made_of[0]:
                raise
            log.warning("changed TLS files not taken over", error=str(error))
            return self._context
        self._made_of = made_of
        return context


def client_context(ca: Pem | None, pair: KeyPair | None, *, verify: bool) -> ssl.SSLContext:
    """A context that believes `ca` (the system's authorities where None) and shows `pair`. Reads files.

    Raises:
        ConfigError: a file can not be read or holds no PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # As the stock clients verify: any certificate in the bundle is an anchor, and authorities made without key
    # identifiers (many clusters have them) are good.
    context.verify_flags = (context.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN) & ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is None:
        context.load_default_certs()
    else:
        with _naming("certificate authority", ca):
            context.load_verify_locations(cadata=ca.read().decode("ascii", errors="ignore"))
    if pair is not None:
        with _naming("client certificate and key", pair.cert), _as_file(pair) as name:
            context.load_cert_chain(name, password=_refuse_password)
    return context


def _refuse_password() -> str:
    raise ValueError("the client key is encrypted; give one without a password")


@contextmanager
def _naming(what: str, pem: Pem) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError, a file that is not text a ValueError
        raise ConfigError(f"{what} ({pem.path or 'inline data'}): {error}") from error


@contextmanager
def _as_file(pair: KeyPair) -> Iterator[str]:
    """The pair under one file name, as OpenSSL wants it; in memory where the system can, so that no key is stored."""
    text = pair.cert.read() + b"\n" + pair.key.read()
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pair")
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            yield file.name
