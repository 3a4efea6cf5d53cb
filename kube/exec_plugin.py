"""Credentials from a command: the client.authentication.k8s.io ExecCredential protocol, versions v1 and v1beta1.

Source: "client-go credential plugins" of the Kubernetes documentation. The command never gets our standard input, has
a deadline, and its failure is an error that carries what it wrote to standard error.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec
import orjson

from kube.credentials import Credential, bearer
from kube.errors import ConfigError, CredentialsError
from kube.tls import KeyPair, Pem
from model.meta import JSON

API_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
EARLY_SECONDS: Final = 60.0
"""How long before its expiry a credential is renewed; a fifth of its lifetime if that is less."""
_OUTPUT_BYTES: Final = 1 << 20


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _Status | None = None


@dataclass(frozen=True)
class ExecPlugin:
    """A command that prints credentials. `environ` is its whole environment, which may hold secrets."""

    api_version: str
    command: str
    args: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    install_hint: str = ""
    cluster: JSON | None = None
    """spec.cluster, where the plugin asked for it (provideClusterInfo)."""
    timeout_seconds: float = 60.0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        """Refuse what the protocol does not know. Raises ConfigError."""
        if self.api_version not in API_VERSIONS:
            raise ConfigError(
                f"exec {self.command}: apiVersion {self.api_version!r} is none of {', '.join(API_VERSIONS)}"
            )

    async def fetch(self) -> Credential:
        """Run the command and read its answer.

        Raises:
            CredentialsError: it can not be run, fails, hangs, or prints something else.
        """
        output = await self._run()
        try:
            answer = msgspec.json.decode(output, type=_ExecCredential)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._failure(f"printed no ExecCredential: {error}") from None
        if answer.kind != "ExecCredential" or answer.api_version != self.api_version:
            raise self._failure(
                f"answered {answer.api_version} {answer.kind}, expected {self.api_version} ExecCredential"
            )
        return self._credential(answer.status or _Status())

    def _credential(self, status: _Status) -> Credential:
        cert, key = status.client_certificate_data, status.client_key_data
        if bool(cert) != bool(key) or not (status.token or cert):
            raise self._failure("gave neither a token nor a certificate with its key")
        valid = self._lifetime(status.expiration_timestamp)
        return Credential(
            bearer(status.token, f"exec {self.command}") if status.token else None,
            KeyPair(Pem(cert.encode()), Pem(key.encode())) if cert and key else None,
            refresh_seconds=None if valid is None else valid - min(EARLY_SECONDS, valid / 5),
            valid_seconds=valid,
        )

    def _lifetime(self, expires: datetime | None) -> float | None:
        if expires is None:
            return None
        if expires.tzinfo is None:
            raise self._failure("gave an expirationTimestamp without a time zone")
        return max(0.0, (expires - self.clock()).total_seconds())

    async def _run(self) -> bytes:
        try:
            process = await asyncio.create_subprocess_exec(
                self.command,
                *self.args,
                env={**self.environ, "KUBERNETES_EXEC_INFO": self._info()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            hint = f"; {self.install_hint}" if self.install_hint else ""
            raise self._failure(f"can not be run: {error.strerror or error}{hint}") from None
        try:
            async with asyncio.timeout(self.timeout_seconds):
                output, complaints = await _finish(process)
        except TimeoutError:
            raise self._failure(f"did not answer within {self.timeout_seconds:g} s") from None
        if process.returncode:
            raise self._failure(
                f"exited with {process.returncode}: {complaints.decode(errors='replace').strip()[-500:]}"
            )
        if len(output) > _OUTPUT_BYTES:
            raise self._failure(f"printed more than {_OUTPUT_BYTES} bytes")
        return output

    def _info(self) -> str:
        spec: JSON = {"interactive": False, **({"cluster": self.cluster} if self.cluster else {})}
        return orjson.dumps({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec}).decode()

    def _failure(self, what: str) -> CredentialsError:
        return CredentialsError(f"exec {self.command}: {what}")


async def _finish(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    """Both outputs, once the command has ended. Where we stop waiting, it and what it started are ended."""
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        # Side by side, so that neither pipe can stall the other.
        async with asyncio.TaskGroup() as group:
            output = group.create_task(_read(process.stdout))
            complaints = group.create_task(_read(process.stderr))
        await process.wait()
    except asyncio.CancelledError:
        await _kill(process)
        raise
    return output.result(), complaints.result()


async def _read(stream: asyncio.StreamReader) -> bytes:
    """All of it, but kept only up to the limit."""
    kept = bytearray()
    while chunk := await stream.read(1 << 16):
        if len(kept) <= _OUTPUT_BYTES:
            kept += chunk
    return bytes(kept)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):  # what left the group may still hold the pipes; it is not ours to wait for
        async with asyncio.timeout(1.0):
            await process.wait()
