"""`lading explain`: why a pod's volumes let it run where they do, or why nowhere."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import msgspec
import orjson
import typer
import yaml

from extender.cached import view_of
from extender.explain import NAMED, Explanation, explain
from kube.caches import ALL, Caches
from kube.client import connect
from kube.config import load
from lading import log
from lading.cli import options
from lading.endpoint import OptionsError
from lading.explained import show
from lading.log import LogFormat, LogLevel
from lading.output import say
from lading.run import run_process

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Say why a pod may or may not run where.")

CALLER: Final = "scheduler"
"""Whose certificate of `lading certs issue` the extender is asked with."""


class Output(StrEnum):
    """How the explanation is written."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


@app.command()
def pod(
    name: Annotated[str, typer.Argument(metavar="[NAMESPACE/]NAME", help="The pod.")],
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", help="Its namespace; by default that of the context.")
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="wide: with the name of every node.")] = Output.TEXT,
    kubeconfig: options.Kubeconfig = None,
    extender: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask this running extender: it also tells what it answered the scheduler."),
    ] = None,
    certs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --extender: the folder of `lading certs issue`, to be let in by it."),
    ] = None,
) -> None:
    """Explain, for every node and every rule, whether the pod's volumes let it run there.

    Nodes that are rejected alike are one line, with the claim, volume, label or slots at fault and the one change that
    would help. It is decided here by the code that the extender decides with, over what the API server holds now; with
    --extender the running one is asked.

    As a kubectl plugin: `kubectl lading explain pod …`. Ends with 0 where a node suits or the pod has one, else with 1.
    """
    log.configure(LogFormat.AUTO, LogLevel.ERROR)
    if certs is not None and extender is None:
        raise OptionsError("--certs is for --extender URL: give both or neither")

    async def answer(wanted: bool) -> Explanation:
        if extender is not None:
            return await _ask(extender, certs, await _key(name, namespace, kubeconfig), all_names=wanted)
        return await _decide(name, namespace, kubeconfig, NAMED if not wanted else None)

    raise typer.Exit(run_process(lambda _stop: _tell(lambda: answer(output is not Output.TEXT), output)))


async def _tell(answer: Callable[[], Awaitable[Explanation]], output: Output) -> int:
    found = await answer()
    match output:
        case Output.JSON:
            say(orjson.dumps(msgspec.to_builtins(found), option=orjson.OPT_INDENT_2).decode())
        case Output.YAML:
            say(yaml.safe_dump(msgspec.to_builtins(found), sort_keys=False).rstrip())
        case _:
            show(found)
    return 0 if found.node or found.feasible.count else 1


async def _key(name: str, namespace: str | None, kubeconfig: Path | None) -> str:
    if name.count("/") == 1:
        return name
    return f"{namespace or (await load(kubeconfig)).namespace}/{name}"


async def _decide(name: str, namespace: str | None, kubeconfig: Path | None, named: int | None) -> Explanation:
    connection = await load(kubeconfig)
    key = name if name.count("/") == 1 else f"{namespace or connection.namespace}/{name}"
    async with connect(connection, user_agent="lading-explain", field_manager="lading-explain") as client:
        caches = Caches(client)
        snapshot = view_of(caches)
        lists = await asyncio.gather(*(client.list(resource) for resource in ALL))
    for resource, found in zip(ALL, lists, strict=True):
        caches.of(resource).replace(found)
    wanted = caches.pods.get(key)
    if wanted is None:
        raise OptionsError(f"there is no pod {key}")
    return explain(wanted, snapshot, snapshot.nodes.all, named=named)


async def _ask(url: str, certs: Path | None, key: str, *, all_names: bool) -> Explanation:
    query = {"pod": key, **({"nodes": "all"} if all_names else {})}
    timeout = aiohttp.ClientTimeout(total=30)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/explain", params=query, ssl=_trust(certs)) as response,
        ):
            body = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise OSError(f"{url} can not be asked: {str(error) or 'no answer within 30 s'}") from error
    if response.status != 200:
        raise OSError(f"{url} answers {response.status}: {_complaint(body)}")
    try:
        return msgspec.json.decode(body, type=Explanation)
    except msgspec.DecodeError as error:
        raise OSError(f"{url} answers something else than an explanation: {error}") from error


def _trust(certs: Path | None) -> ssl.SSLContext | bool:
    if certs is None:
        return True
    try:
        context = ssl.create_default_context(cafile=str(certs / "ca.crt"))
        context.load_cert_chain(certs / f"{CALLER}.crt", certs / f"{CALLER}.key")
    except OSError as error:
        raise OptionsError(f"--certs {certs}: ca.crt, {CALLER}.crt and {CALLER}.key are needed: {error}") from error
    return context


def _complaint(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["error"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
