"""`lading certs`: an authority and certificates in a folder."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import orjson
import typer

from certs.errors import ConflictError
from certs.folder import FolderStore
from certs.issue import Identity, Server, User, service_hosts
from certs.issuing import Change, Line, ensure, identities, issued_beside, renew, status
from certs.secret import SecretStore
from certs.state import read
from deploy.grants import Names
from kube.client import connect
from kube.config import load
from lading.cli import options
from lading.endpoint import OptionsError
from lading.output import say
from lading.own_certificates import LOOPBACK

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Make and renew certificates for Lading's servers and their callers.",
)

SERVERS: Final = ("extender", "webhooks", "controllers", "csi-sidecar", "csi-hostpath")
CALLERS: Final = {"scheduler": "kube-scheduler", "apiserver": "kube-apiserver"}

Work: TypeAlias = Callable[[FolderStore, datetime], Coroutine[Any, Any, list[Change]]]
Folder: TypeAlias = Annotated[Path, typer.Option("--dir", metavar="DIR", help="The folder, used for nothing else.")]


class Output(StrEnum):
    """How a listing is written."""

    TEXT = "text"
    JSON = "json"


def wanted(hosts: Sequence[str], namespace: str) -> dict[str, Identity]:
    """The certificates that Lading needs, by file name."""
    servers: dict[str, Identity] = {
        name: Server((*service_hosts(f"lading-{name}", namespace), *LOOPBACK, *hosts)) for name in SERVERS
    }
    return servers | callers()


def callers() -> dict[str, Identity]:
    """Those of them that callers show."""
    return {name: User(user) for name, user in CALLERS.items()}


@app.command()
def issue(
    folder: Folder,
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name or address that servers go by (repeatable)."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(help="The namespace of Lading's Services, and of its Secret.", show_default=Names().namespace),
    ] = None,
    from_secret: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Issue for callers alone, of the authority that servers with --own-certs keep in this Secret, "
            f"{Names().secret} by default there.",
        ),
    ] = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Make what is missing, and renew what is due: an authority, and certificates for servers and callers.

    Servers: extender, webhooks, controllers, csi-sidecar, csi-hostpath, for loopback, their Services
    (lading-extender.lading.svc and so on) and every --host. Callers: scheduler, apiserver. Certificates live 7 days and
    are renewed from half of that on: run it daily; without options certificates that are there keep their names.
    Servers take up what is new by themselves.

    With --from-secret the folder gets ca.crt and the callers' certificates, and no authority.
    """
    if from_secret is not None:
        if host:
            raise OptionsError("--from-secret issues for callers alone, which have no --host")
        _told(_of_secret(kubeconfig, namespace or Names().namespace, from_secret), folder, "all is as it should be")
        return

    async def work(store: FolderStore, now: datetime) -> list[Change]:
        asked = wanted(host or (), namespace or Names().namespace)
        present = identities((await store.load()).files) if host is None and namespace is None else {}
        return await ensure(store, {name: asked[name] for name in asked if name not in present}, now)

    _told(work, folder, "all is as it should be")


@app.command()
def rotate(folder: Folder) -> None:
    """Begin to replace the authority, or go on with it, and issue every certificate anew.

    The first call makes the next authority and lets everybody trust it; a call a day later lets it sign.
    """
    _files(folder)
    _told(renew, folder, "nothing to do yet: the next authority must be trusted for a day before it signs")


@app.command(name="status")
def show(
    folder: Folder,
    output: Annotated[Output, typer.Option("-o", "--output", help="Text for people, JSON for programs.")] = Output.TEXT,
) -> None:
    """List the certificates: for whom, until when, and whether they are trusted. Ends with 1 if one is not valid."""
    lines = status(_files(folder))
    now = datetime.now(UTC)
    if output is Output.JSON:
        say(orjson.dumps([_as_json(line, now) for line in lines], option=orjson.OPT_INDENT_2).decode())
    else:
        rows = [("NAME", "FOR", "UNTIL", "STATE"), *(_as_row(line, now) for line in lines)]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            say("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    raise typer.Exit(any(_state(line, now) != "valid" for line in lines))


def _of_secret(kubeconfig: Path | None, namespace: str, name: str) -> Work:
    """Issue what callers need, of a Secret's authority."""

    async def work(store: FolderStore, now: datetime) -> list[Change]:
        async with connect(await load(kubeconfig), user_agent="lading-certs") as client:
            kept = await SecretStore(client, namespace, name).load()
        if not kept.version:
            raise OptionsError(f"--from-secret {name}: there is none in namespace {namespace}")
        return (await issued_beside(store, read(kept.files), callers(), now))[1]

    return work


def _files(folder: Path) -> Mapping[str, bytes]:
    stored = asyncio.run(FolderStore(folder).load())
    if not stored.version:
        raise OptionsError(f"--dir {folder} holds no certificates: `lading certs issue --dir {folder}` makes them")
    return stored.files


def _told(work: Work, folder: Path, otherwise: str) -> None:
    """Do it, and say what was done and why."""
    changes = _done(work, FolderStore(folder))
    for change in changes:
        say(f"{change.what}: {change.why}")
    if not changes:
        say(otherwise)


def _done(work: Work, store: FolderStore, tries: int = 5) -> list[Change]:
    """Do it again where another process wrote first: it reads what is there now."""
    try:
        return asyncio.run(work(store, datetime.now(UTC)))
    except ConflictError:
        if tries <= 1:
            raise
        return _done(work, store, tries - 1)


def _state(line: Line, now: datetime) -> str:
    if not line.trusted:
        return "untrusted"
    if now >= line.period.end:
        return "expired"
    return "valid" if now >= line.period.start else "not yet valid"


def _for(line: Line) -> str:
    match line.identity:
        case Server(hosts):
            return ", ".join(hosts)
        case User(name, groups):
            return " ".join((name, *groups))
        case None:
            return "authority"


def _as_row(line: Line, now: datetime) -> tuple[str, str, str, str]:
    return line.name, _for(line), f"{line.period.end:%Y-%m-%d %H:%M}Z", _state(line, now)


def _as_json(line: Line, now: datetime) -> dict[str, object]:
    return {
        "name": line.name,
        "for": _for(line),
        "from": line.period.start,
        "until": line.period.end,
        "state": _state(line, now),
    }
