"""One call of one webhook: HTTPS with the authorities of its caBundle, a deadline, bounds, no redirects.

Faults are told as the real server, a Go program, tells them, as far as the causes can be told apart here.
"""

import asyncio
import base64
import binascii
import os
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import orjson
from yarl import URL

from model.meta import JSON
from sandbox.admission.webhooks.hooks import ClientConfig, Hook, Service
from sandbox.admission.webhooks.review import CallError
from sandbox.errors import quote

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""A patch may carry a whole object, in base64."""
_CONTEXTS: Final = 200
"""How many caBundles keep their TLS context."""
_HEADERS: Final = {"Accept": "application/json, */*", "Content-Type": "application/json"}
_BY_STATUS: Final = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
_UNKNOWN_AUTHORITY: Final = frozenset({18, 19, 20, 21})
"""OpenSSL's verdicts on a chain that ends in nothing trusted."""
_TIMES: Final = frozenset({9, 10})


class Caller:
    """Calls webhooks; see `open_caller`."""

    def __init__(self, session: aiohttp.ClientSession, services: Mapping[str, str]) -> None:
        self._session, self._services = session, services
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()

    async def call(self, hook: Hook, review: JSON) -> bytes:
        """The body of the webhook's answer.

        Raises:
            CallError: anything but an answer in time.
        """
        url = _url(hook.client_config).with_query(timeout=f"{hook.timeout_seconds}s")
        try:
            context = await self._context(hook.client_config.ca_bundle)
            async with asyncio.timeout(hook.timeout_seconds):
                return await self._post(url, hook.client_config.service, context, orjson.dumps(review))
        except TimeoutError:
            raise _failed(url, "context deadline exceeded") from None
        except aiohttp.ClientError as error:
            raise _failed(url, _cause(error)) from error
        except (ssl.SSLError, binascii.Error, ValueError) as error:
            raise CallError(f"could not get REST client: unable to load root certificates: {error}") from error

    async def _post(self, url: URL, service: Service | None, context: ssl.SSLContext, body: bytes) -> bytes:
        place = url if service is None else self._place(url, service)
        async with self._session.post(
            place,
            data=body,
            headers=_HEADERS if service is None else {**_HEADERS, "Host": url.authority},
            ssl=context,
            server_hostname=None if service is None else url.host,
            allow_redirects=False,
        ) as answer:
            content = await _read(url, answer)
        if not 200 <= answer.status < 300:
            raise CallError(f"failed to call webhook: {_refusal(answer.status, content)}")
        return content

    def _place(self, url: URL, service: Service) -> URL:
        address = self._services.get(f"{service.namespace}/{service.name}")
        if address is None:
            raise _failed(url, f"service {quote(service.name)} not found")
        return URL(f"https://{address}").join(url.relative())

    async def _context(self, bundle: str) -> ssl.SSLContext:
        context = self._contexts.get(bundle)
        if context is None:
            context = self._contexts[bundle] = await asyncio.to_thread(_context, bundle)
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(bundle)
        return context


@asynccontextmanager
async def open_caller(services: Mapping[str, str]) -> AsyncIterator[Caller]:
    """A caller while the block runs. `services` maps `namespace/name` to `host:port`."""
    connector = aiohttp.TCPConnector(limit=0)
    unlimited = aiohttp.ClientTimeout(total=None)  # each call has its own deadline
    async with aiohttp.ClientSession(connector=connector, timeout=unlimited, auto_decompress=False) as session:
        yield Caller(session, services)


def _context(bundle: str) -> ssl.SSLContext:
    """Trust every certificate of the bundle, as Go does, be it a root or not; names are read from SANs alone.

    Raises:
        ValueError: the bundle is no base64 of PEM (also ssl.SSLError, binascii.Error).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if bundle:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=base64.b64decode(bundle, validate=True).decode("ascii"))
    else:
        context.load_default_certs()
    return context


def _url(config: ClientConfig) -> URL:
    if config.service is None:
        return URL(config.url or "")
    service = config.service
    path = service.path if service.path.startswith("/") else f"/{service.path}"
    return URL.build(scheme="https", host=f"{service.name}.{service.namespace}.svc", port=service.port, path=path)


async def _read(url: URL, answer: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise _failed(url, f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(content)


def _failed(url: URL, why: str) -> CallError:
    return CallError(f"failed to call webhook: Post {quote(str(url))}: {why}")


def _refusal(status: int, content: bytes) -> str:
    text = content.decode(errors="replace").strip()
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in (403, 406, 415):
        return text or "unknown"
    if status >= 500:
        return f"an error on the server ({quote(text or 'unknown')}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more information"


def _cause(error: aiohttp.ClientError) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as why):
            return f"tls: failed to verify certificate: x509: {_verdict(why)}"
        case aiohttp.ClientConnectorDNSError():
            return f"dial tcp: lookup {error.host}: no such host"
        case aiohttp.ClientConnectorSSLError():
            reason = getattr(error.os_error, "reason", None) or "handshake failed"
            return f"tls: {reason.lower().replace('_', ' ')}"
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            why_not = (os.strerror(number) if number else str(error.os_error)).lower()
            return f"dial tcp {error.host}:{error.port}: connect: {why_not}"
        case aiohttp.ServerDisconnectedError():
            return "EOF"
        case aiohttp.ClientPayloadError():
            return "unexpected EOF"
        case _:
            return str(error)


def _verdict(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in _UNKNOWN_AUTHORITY:
        return "certificate signed by unknown authority"
    if error.verify_code in _TIMES:
        return f"certificate has expired or is not yet valid: {error.verify_message}"
    return error.verify_message
