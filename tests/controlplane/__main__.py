"""`python -m tests.controlplane`: build the binaries, or bring a control plane up and take it down."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from deploy.rbac import Component, Mode
from tests.controlplane import flags
from tests.controlplane.binaries import NAMES, Binaries, MissingBinaryError, SkewError
from tests.controlplane.build import BuildError
from tests.controlplane.plane import ControlPlane, control_plane
from tests.controlplane.processes import Server, ServerError
from tests.scheduling_live.components import NAMESPACE, installed

STARTED = ("scheduler", "controller-manager")

app = typer.Typer(
    name="python -m tests.controlplane",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def about() -> None:
    """A real control plane on loopback, without containers.

    Binaries are taken from $KUBEBUILDER_ASSETS, then from PATH, and are else built by Go, once (up to 15 minutes on 2
    cores), into $XDG_CACHE_HOME/lading/controlplane (default ~/.cache).
    """


def _names(given: list[str] | None) -> list[str]:
    if wrong := [name for name in given or [] if name not in NAMES]:
        raise typer.BadParameter(f"{', '.join(wrong)}: the binaries are {', '.join(NAMES)}")
    return given or list(NAMES)


def _started(given: str) -> str:
    if wrong := [name for name in given.split(",") if name and name not in STARTED]:
        raise typer.BadParameter(f"{', '.join(wrong)}: only {' and '.join(STARTED)} can be started")
    return given


@app.command()
def build(
    names: Annotated[list[str] | None, typer.Argument(callback=_names, help=f"Of {', '.join(NAMES)}; all.")] = None,
) -> None:
    """Find or build binaries, and print version, path and origin of each."""
    for name in names or ():
        typer.echo(_binaries().get(name))


@app.command()
def kubectl_path() -> None:
    """Print the path of a kubectl that works; this may build it."""
    typer.echo(_binaries().get("kubectl").path)


@app.command()
def up(
    folder: Annotated[Path, typer.Option("--dir", help="For kubeconfigs, logs and the data of etcd, which is kept.")],
    started: Annotated[str, typer.Option("--with", callback=_started, help=f"Start also: {','.join(STARTED)}.")] = "",
    scheduler_config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A KubeSchedulerConfiguration, as YAML.")
    ] = None,
    controllers: Annotated[str, typer.Option(help="As kube-controller-manager's flag.")] = flags.CONTROLLERS,
    durable: Annotated[bool, typer.Option("--durable", help="etcd's writes wait for the disk.")] = False,
    lading: Annotated[
        bool,
        typer.Option("--lading", help="Grant Lading's parts their roles; a kubeconfig for each, and certificates."),
    ] = False,
) -> None:
    """Run etcd and kube-apiserver on free ports until SIGTERM or Ctrl-C.

    Prints what runs, the administrator's kubeconfig, and `ready`. Nodes are objects: there is no kubelet. The servers
    end with this process, even when it is killed.
    """
    config = _read(scheduler_config) if scheduler_config else {}
    parts = tuple(started.split(","))

    async def bring_up(stack: AsyncExitStack) -> tuple[ControlPlane, list[Server]]:
        plane = await stack.enter_async_context(control_plane(folder, _binaries(), durable=durable))
        servers = [*plane.servers]
        if "scheduler" in parts:
            servers.append(await stack.enter_async_context(plane.scheduler(config)))
        if "controller-manager" in parts:
            servers.append(await stack.enter_async_context(plane.controller_manager(controllers)))
        if lading:
            kubectl = (await asyncio.to_thread(_binaries().get, "kubectl")).path
            made = await stack.enter_async_context(installed(plane, kubectl, plane.folder, Mode.INSTEAD))
            typer.echo(f"certificates {made.certs}")
            for part in Component:
                path = await plane.kubeconfig_for_service_account(NAMESPACE, f"lading-{part}")
                typer.echo(f"kubeconfig {path}")
        return plane, servers

    asyncio.run(_run(bring_up))


async def _run(bring_up: Callable[[AsyncExitStack], Awaitable[tuple[ControlPlane, list[Server]]]]) -> None:
    """Run until the first signal, even before all is up; a server that ends unasked is an error."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with AsyncExitStack() as stack:
            plane, servers = await bring_up(stack)
            for server in servers:
                typer.echo(f"{server.binary}: pid {server.pid}, log {server.log}")
            typer.echo(f"kubeconfig {plane.kubeconfig}\nready")
            raise await _first_end(servers)


async def _first_end(servers: Sequence[Server]) -> ServerError:
    ends = [asyncio.create_task(server.ended()) for server in servers]
    try:
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for end in ends:
            end.cancel()


def _read(scheduler_config: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(scheduler_config.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{scheduler_config} is no YAML: {error}") from error
    if not isinstance(config, dict):
        raise typer.BadParameter(f"{scheduler_config} holds no KubeSchedulerConfiguration")
    return config


def _binaries() -> Binaries:
    return Binaries(say=lambda line: typer.echo(line, err=True))


def main() -> None:
    """Exits with 1 when something is missing or fails, with 2 for wrong arguments."""
    try:
        app()
    except (MissingBinaryError, SkewError, BuildError, ServerError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
