"""`lading csi-hostpath`."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from lading import log
from lading.cli import options
from lading.cli.serving import listening, unless
from lading.component import new_registry
from lading.compose import Alone, Besides, alone_services
from lading.endpoint import Endpoint, OptionsError
from lading.log import LogFormat, LogLevel
from lading.run import Service, run_process, run_services
from model import quantity
from plugins.csi.hostpath.settings import NAME, Settings

Listen = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where to serve health and metrics; by default nowhere.",
        rich_help_panel="Serving: address and certificates",
        show_default=False,
    ),
]
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
    listen: Listen = None,
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Run a CSI driver on the directories and loop devices of this machine.

    For demos, tests and single nodes. Volumes are directories, or files behind loop devices; mounting them takes root.
    Prints `listening URL`. What it has answered survives a crash. With --listen it serves /healthz, /readyz and
    /metrics there, and prints a second such line.
    """
    endpoint_of_site = _site_endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http=insecure_http)
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

    async def main(stop: asyncio.Event) -> None:
        from plugins.csi.hostpath.driver import running  # noqa: PLC0415 - gRPC would slow the start of all commands

        registry = new_registry()
        async with unless(stop, running(settings, registry=registry)) as socket:
            if socket is None:
                return
            listening(f"unix://{socket}")
            services = [] if registration_dir is None else [_registrar(registration_dir.absolute(), settings, socket)]
            if endpoint_of_site is not None:
                given = Alone(endpoint_of_site, registry, listening)
                checks = {"socket": lambda: None if socket.is_socket() else "was removed"}
                services = alone_services("csi-hostpath", given, Besides(checks, services))
            await run_services(services, stop)

    raise typer.Exit(run_process(main))


def _registrar(folder: Path, settings: Settings, socket: Path) -> Service:
    """Introduces the driver to kubelet. Where that does not take it the process ends, and its restart tries anew."""
    from plugins.csi.registrar import keep_introduced  # noqa: PLC0415 - as above

    async def run(ready: asyncio.Event) -> None:
        await keep_introduced(folder, settings.name, socket, ready)

    return Service("registrar", run)


def _site_endpoint(
    listen: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    certs: Path | None,
    *,
    insecure_http: bool,
) -> Endpoint | None:
    """Where health is served; None where it is not.

    Raises:
        OptionsError: options that do not go together.
    """
    if listen is None:
        if insecure_http or any((tls_cert, tls_key, client_ca, certs)):
            raise OptionsError("--listen HOST:PORT is missing: without it nothing is served that takes a certificate")
        return None
    endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
    endpoint.check("csi-hostpath")
    return endpoint


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
