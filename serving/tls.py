"""TLS for servers: strict contexts from files, reloaded while serving.

A renewed certificate, and a renewed bundle of those who may call, count from the next handshake on; connections that
stand are left alone.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

log = structlog.get_logger()


class TLSFilesError(ValueError):
    """The files hold no usable certificate and key; the message names them."""


@dataclass(frozen=True)
class TLSFiles:
    """PEM files: certificate chain, private key and, for mutual TLS, the bundle that clients are verified with."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    def server_context(self) -> ssl.SSLContext:
        """A context for TLS 1.2 or newer. With `client_ca`, a certificate that a client shows must verify.

        Whether one must be shown is for the application to say, path by path: probes have none.

        Raises:
            TLSFilesError: a file is missing, unreadable, or the key is not the certificate's.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL if self.client_ca else ssl.CERT_NONE
        self._load(context)
        return context

    async def keep_fresh(self, context: ssl.SSLContext, every_seconds: float = 10.0) -> NoReturn:
        """Let the files as they are now serve handshakes on the context, whenever they change, for ever.

        A faulty set of files is reported and the last good one stays; it is tried again until it is whole.
        """
        newest, seen, reported = context, await asyncio.to_thread(self._stamps), ""

        def use_newest(connection: ssl.SSLObject, _name: str | None, _listening: ssl.SSLContext) -> None:
            connection.context = newest

        context.sni_callback = use_newest
        while True:
            await asyncio.sleep(every_seconds)
            stamps = await asyncio.to_thread(self._stamps)
            if stamps == seen:
                continue
            try:
                # A context of its own: a pair that is half written must not reach the one that serves.
                newest, seen, reported = await asyncio.to_thread(self.server_context), stamps, ""
            except TLSFilesError as error:
                if str(error) != reported:
                    log.warning("certificate not reloaded", cert=str(self.cert), error=str(error))
                reported = str(error)
            else:
                log.info("certificate reloaded", cert=str(self.cert))

    def _load(self, context: ssl.SSLContext) -> None:
        _loading(lambda: context.load_cert_chain(self.cert, self.key), f"{self.cert} and {self.key}")
        if self.client_ca:
            bundle = self.client_ca
            _loading(lambda: context.load_verify_locations(bundle), str(bundle))

    def _stamps(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self.cert, self.key, self.client_ca) if path)


def _loading(load: Callable[[], None], files: str) -> None:
    try:
        load()
    except (OSError, ssl.SSLError) as error:
        raise TLSFilesError(f"{files}: {error}") from error


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino
