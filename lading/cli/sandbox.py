"""`lading sandbox`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import yaml

from lading import log
from lading.cli import options
from lading.cli.serving import listening
from lading.component import new_registry
from lading.endpoint import OptionsError
from lading.log import LogFormat, LogLevel
from lading.output import say
from lading.run import run_process
from model.meta import JSON
from sandbox.scheduler import Scheduler
from sandbox.server import Sandbox, SandboxSettings, serve
from serving.site import parse_listen


def sandbox(
    kubeconfig: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write a kubeconfig for the cluster's administrator.")
    ],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 asks for a free one.")
    ] = "127.0.0.1:6443",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep everything in this folder; without it all is gone at the end."),
    ] = None,
    scheduler_config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Schedule pods too, by a configuration of kube-scheduler as `lading config scheduler` prints it.",
        ),
    ] = None,
    pods: Annotated[
        bool, typer.Option(help="Play kubelet: pods on nodes become Running, deleted ones end. Nothing is executed.")
    ] = True,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Run an embedded API server that kubectl, kube-scheduler and all of Lading work against.

    For laptops, tests and demos: one process, no etcd, no containers. Serves HTTPS with a certificate of its own,
    which the kubeconfig trusts. Prints `listening URL` and then `ready`; serves /healthz, /readyz and /metrics.
    """
    parse_listen(listen)
    configuration = _configuration(scheduler_config) if scheduler_config else None
    log.configure(log_format, log_level)
    settings = SandboxSettings(listen, data, pods, new_registry())

    async def main(stop: asyncio.Event) -> None:
        async with serve(settings) as server:
            await asyncio.to_thread(server.write_kubeconfig, kubeconfig)
            listening(server.url)
            say("ready")
            if configuration is None:
                await stop.wait()
            else:
                await _schedule(server, configuration, stop)

    raise typer.Exit(run_process(main))


async def _schedule(server: Sandbox, configuration: JSON, stop: asyncio.Event) -> None:
    """Schedule until `stop`; a fault of the scheduler ends the process."""
    async with asyncio.TaskGroup() as group:
        scheduling = group.create_task(Scheduler(server.api, configuration).run())
        await stop.wait()
        scheduling.cancel()


def _configuration(file: Path) -> JSON:
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionsError(f"--scheduler-config {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionsError(f"--scheduler-config {file}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(read, dict):
        raise OptionsError(f"--scheduler-config {file}: expected a KubeSchedulerConfiguration")
    return read
