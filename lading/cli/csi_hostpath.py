"""`lading csi-hostpath`."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from lading import log
from lading.cli import options
from lading.cli.serving import listening
from lading.log import LogFormat, LogLevel
from lading.output import complain
from lading.run import run_process
from model import quantity
from plugins.csi.hostpath.settings import NAME, Settings
from plugins.errors import Failed, PluginError

_STATE: Final = Path("/var/lib/lading/csi-hostpath")


def csi_hostpath(
    endpoint: Annotated[
        str, typer.Option(metavar="unix:///PATH", envvar="CSI_ENDPOINT", help="The socket to answer on.")
    ],
    node_id: Annotated[str, typer.Option(metavar="N", help="What the driver calls this node.")],
    driver_name: Annotated[str, typer.Option(metavar="D", help="The driver's name, as classes name it.")] = NAME,
    state: Annotated[
        Path, typer.Option(metavar="DIR", help="Where volumes and what is known of them are kept.")
    ] = _STATE,
    capacity: Annotated[str, typer.Option(metavar="SIZE", help="The sizes of all volumes together.")] = "100Gi",
    max_volume_size: Annotated[str, typer.Option(metavar="SIZE", help="The largest volume.")] = "1Ti",
    attach: Annotated[
        bool,
        # In a panel of its own, or its two names leave no room for the others' on a narrow terminal.
        typer.Option(help="Attach volumes to nodes before they are staged there.", rich_help_panel="Attaching"),
    ] = True,
    max_volumes_per_node: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many volumes a node takes; 0 for any number.")
    ] = 0,
    other_node: Annotated[
        list[str] | None, typer.Option(metavar="N", help="Another node of this machine; may be repeated.")
    ] = None,
    topology: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="More of the node's topology; may be repeated.")
    ] = None,
    registration_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Introduce the driver to kubelet by a socket in its folder plugins_registry."),
    ] = None,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Run a CSI driver on the directories and loop devices of this machine.

    For demos, tests and single nodes. Volumes are directories, or files behind loop devices; mounting them takes root.
    Prints `listening URL`. What it has answered survives a crash.
    """
    settings = Settings(
        state=state.absolute(),
        node_id=node_id,
        endpoint=endpoint,
        name=driver_name,
        capacity_bytes=_bytes("--capacity", capacity),
        max_volume_bytes=_bytes("--max-volume-size", max_volume_size),
        attach=attach,
        max_volumes_per_node=max_volumes_per_node,
        other_nodes=frozenset(other_node or ()),
        segments=dict(_segment(each) for each in topology or ()),
    )
    log.configure(log_format, log_level)

    async def main(stop: asyncio.Event) -> int:
        from plugins.csi.hostpath.driver import running  # noqa: PLC0415 - gRPC would slow the start of all commands

        try:
            async with running(settings) as socket:
                listening(f"unix://{socket}")
                if registration_dir is None:
                    await stop.wait()
                else:
                    await _introduce(registration_dir.absolute(), settings.name, socket, stop)
        except PluginError as error:
            complain(str(error))
            return 1
        return 0

    raise typer.Exit(run_process(main))


async def _introduce(folder: Path, name: str, socket: Path, stop: asyncio.Event) -> None:
    """Until `stop`.

    Raises:
        Failed: kubelet does not take the driver: the process ends, and its restart introduces it anew.
    """
    from plugins.csi.registrar import introduced  # noqa: PLC0415 - as above

    async with introduced(folder, name, socket) as registrar:
        refused, stopped = asyncio.ensure_future(registrar.refused()), asyncio.ensure_future(stop.wait())
        done, waiting = await asyncio.wait({refused, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if refused in done:
            raise Failed(f"kubelet does not take driver {name}: {refused.result()}")


def _bytes(option: str, text: str) -> int:
    try:
        return quantity.whole(text)
    except quantity.QuantityError as error:
        raise ValueError(f"{option}: {error}") from None


def _segment(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator and value):
        raise ValueError(f"--topology {text!r}: expected KEY=VALUE, such as topology.kubernetes.io/zone=a")
    return key, value
