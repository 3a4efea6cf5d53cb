"""Whether what we serve is what is trusted: a handshake with our own listener, verified as the API server verifies it.

Files may be right and the listener wrong: an old context, another process on the port, a name that a registration
spells otherwise. So the listener itself is asked, under the names and with the bundles that stand in the registrations;
where there are none yet, under the Service's name and with the bundle of the Secret.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import urlsplit

import structlog

from certs.errors import CertificateError
from certs.inject import Registration
from certs.state import BUNDLE
from certs.store import Store
from kube.client import Client
from kube.errors import KubeError, NotFound
from model.registrations import WebhookClientConfig

log = structlog.get_logger()

EVERY_SECONDS: Final = 10.0
"""Between handshakes while they go well."""
AGAIN_SECONDS: Final = 0.5
"""After one that did not."""
HANDSHAKE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Caller:
    """How somebody calls us: the name that our certificate must have, and the authorities that he trusts, in PEM."""

    name: str
    trusts: bytes


class Gate:
    """Closed until every caller would accept the certificate that the listener shows."""

    def __init__(self, client: Client, registrations: Sequence[Registration], authorities: Store, host: str) -> None:
        """`host` is the name to be called by where nothing is registered."""
        self._client = client
        self._registrations = registrations
        self._authorities = authorities
        self._host = host
        self._complaint: str | None = "no handshake yet"

    def complaint(self) -> str | None:
        """Why callers would not accept our certificate; None when they do."""
        return self._complaint

    async def run(self, address: Callable[[], tuple[str, int]], passed: asyncio.Event) -> NoReturn:
        """Try for ever, often while it does not pass; sets the event when it has passed once."""
        while True:
            before = self._complaint
            await self.once(address())
            if self._complaint is None:
                passed.set()
            elif self._complaint != before:
                log.warning("callers would not accept our certificate", error=self._complaint)
            await asyncio.sleep(EVERY_SECONDS if self._complaint is None else AGAIN_SECONDS)

    async def once(self, address: tuple[str, int]) -> None:
        """One handshake for each kind of caller, at the address where we listen.

        While the API server can not be asked what callers trust, the gate stays as it is.
        """
        try:
            callers = {each async for each in self._callers()}
        except (KubeError, CertificateError) as error:
            if self._complaint is not None:
                self._complaint = f"can not tell what callers trust: {error}"
            return
        faults = [await _fault(address, each) for each in sorted(callers, key=lambda each: (each.name, each.trusts))]
        self._complaint = "; ".join(fault for fault in faults if fault) or None

    async def _callers(self) -> AsyncIterator[Caller]:
        registered = False
        for registration in self._registrations:
            with suppress(NotFound):
                found = await self._client.get(registration.resource, registration.name)
                for each in found.webhooks or ():
                    registered = True
                    yield Caller(_name(each.client_config), _decoded(each.client_config.ca_bundle or ""))
        if not registered:
            yield Caller(self._host, (await self._authorities.load()).files.get(BUNDLE, b""))


def _name(config: WebhookClientConfig) -> str:
    """The name that the API server looks for in the certificate."""
    if config.service is not None:
        return f"{config.service.name}.{config.service.namespace}.svc"
    return urlsplit(config.url or "").hostname or ""


def _decoded(bundle: str) -> bytes:
    try:
        return base64.b64decode(bundle, validate=True)
    except ValueError:
        return b""


async def _fault(address: tuple[str, int], caller: Caller) -> str | None:
    """Why this caller would not accept the certificate; None when he does."""
    if not caller.trusts:
        return f"who calls {caller.name} trusts nobody: caBundle is empty"
    try:
        context = ssl.create_default_context(cadata=caller.trusts.decode())
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            _, writer = await asyncio.open_connection(*address, ssl=context, server_hostname=caller.name)
    except (OSError, ValueError) as error:  # of OSError are: refused, not verified, too late
        return f"who calls {caller.name} would not accept our certificate: {str(error) or 'no answer in time'}"
    writer.transport.abort()
    return None
