"""The servers that are measured, each a process of its own: the sandbox, and the floors."""

import asyncio
import base64
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml


@dataclass(frozen=True)
class Target:
    """A server under load: where it is, and a session that may talk to it."""

    url: str
    session: aiohttp.ClientSession


@asynccontextmanager
async def sandbox(folder: Path, *, durable: bool = False) -> AsyncIterator[Target]:
    """`lading sandbox`, in memory or durable, with the kubeconfig that it writes into the folder."""
    kubeconfig = folder / "kubeconfig"
    data = ["--data", str(folder / "data")] if durable else []
    listen = ["--listen", "127.0.0.1:0", "--kubeconfig", str(kubeconfig)]
    async with process("-m", "lading", "sandbox", *listen, *data, until="ready"):
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        trusted = ssl.create_default_context(cadata=_ca(cluster))
        headers = {"Authorization": f"Bearer {user['token']}"}
        async with _session(trusted, headers) as session:
            yield Target(cluster["server"], session)


@asynccontextmanager
async def floor(role: str, folder: Path) -> AsyncIterator[Target]:
    """`python -m bench.floors ROLE`: the least aiohttp server that does the same to the wire, over TLS as well."""
    async with process("-m", "bench.floors", role, str(folder), until="listening ") as url:
        trusted = ssl.create_default_context(cafile=str(folder / "floor.crt"))
        async with _session(trusted, {}) as session:
            yield Target(url.removeprefix("listening "), session)


@asynccontextmanager
async def _session(trusted: ssl.SSLContext, headers: dict[str, str]) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, timeout=timeout, read_bufsize=2**21
    ) as session:
        yield session


@asynccontextmanager
async def process(*arguments: str, until: str, within_seconds: float = 30.0) -> AsyncIterator[str]:
    """A Python process, once it has printed a line that begins so; ended and waited for afterwards."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(within_seconds):
            while not (line := (await process.stdout.readline()).decode()).startswith(until):
                if not line:
                    raise RuntimeError(f"{' '.join(arguments)} ended before it was ready")
        yield line.strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _ca(cluster: dict[str, Any]) -> str:
    return base64.b64decode(cluster["certificate-authority-data"]).decode()
