"""`lading demo`."""

from typing import Annotated

import typer

from lading import log
from lading.cli import options
from lading.demo.play import play
from lading.log import LogFormat, LogLevel
from lading.run import run_process


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the cluster running at the end, for kubectl, until Ctrl-C.")
    ] = False,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.ERROR,
) -> None:
    """Run an API server, a scheduler and all of Lading in one process, and a story of pods and their volumes.

    Everything speaks over HTTPS on loopback, as it would in a cluster. Ends with a table: pod, node, volumes, why.
    Ends with 0 only if every outcome is the right one.
    """
    log.configure(log_format, log_level)
    raise typer.Exit(run_process(lambda stop: play(stop, keep=keep)))
