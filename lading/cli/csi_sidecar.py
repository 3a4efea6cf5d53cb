"""`lading csi-sidecar`."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer

from controllers import select
from controllers.csi.names import NAMES
from controllers.csi.settings import SidecarSettings
from lading.cli import options
from lading.cli.serving import Process, run_opened
from lading.compose import Election, Surroundings, csi_sidecar_services
from lading.endpoint import Endpoint, OptionsError
from lading.log import LogFormat, LogLevel
from lading.run import Service

_DRIVER = "Driver"
_WORK = "What runs"
_DEFAULTS: Final = SidecarSettings()
_LEASE: Final = "lading-csi-{driver}"

Address = Annotated[
    str,
    typer.Option(metavar="unix:///PATH", envvar="CSI_ENDPOINT", help="The driver's socket.", rich_help_panel=_DRIVER),
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.1, help="How long a call to the driver may take.", rich_help_panel=_DRIVER),
]
DriverWait = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.0, help="How long the driver may take to come up.", rich_help_panel=_DRIVER),
]
Expression = Annotated[
    str,
    typer.Option(
        "--controllers",
        metavar="LIST",
        help=f"As kube-controller-manager's flag: * for all, NAME, -NAME for all but it. There are {', '.join(NAMES)}.",
        rich_help_panel=_WORK,
    ),
]
LeaseName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"The Lease; by default {_LEASE.format(driver='DRIVER')}.",
        rich_help_panel="Leader election",
        show_default=False,
    ),
]


def csi_sidecar(
    csi_address: Address = "unix:///run/csi/socket",
    expression: Expression = "*",
    timeout: Timeout = 15.0,
    driver_wait: DriverWait = 30.0,
    kubeconfig: options.Kubeconfig = None,
    leader_elect: options.LeaderElect = True,
    lease_name: LeaseName = None,
    lease_namespace: options.LeaseNamespace = None,
    lease_duration: options.LeaseDuration = Election.duration,
    renew_deadline: options.RenewDeadline = Election.renew,
    retry_period: options.RetryPeriod = Election.retry,
    listen: options.Listen = "127.0.0.1:10262",
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Provision, attach, grow and report capacity for one CSI driver, in place of its sidecars.

    Runs beside the driver, at its socket. Serves /healthz, /readyz and /metrics. Prints `listening URL` once it works,
    or waits for the Lease.
    """
    names = select(expression, NAMES)
    if not names:
        raise OptionsError("--controllers selects none: give names, or * for all")
    endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
    process = Process("csi-sidecar", endpoint, kubeconfig, log_format, log_level)
    times = (lease_duration, renew_deadline, retry_period)
    options.election((lease_namespace, lease_name or ""), times, elects=leader_elect)
    settings = SidecarSettings()

    @asynccontextmanager
    async def opened(given: Surroundings) -> AsyncIterator[Sequence[Service]]:
        from plugins.csi.driver import reached  # noqa: PLC0415 - gRPC would slow the start of all commands

        async with reached(csi_address, seconds=timeout, wait_seconds=driver_wait, registry=given.registry) as driver:
            lease = lease_name or _LEASE.format(driver=_dns(driver.name))
            election = options.election((lease_namespace, lease), times, elects=leader_elect)
            yield csi_sidecar_services(given, names, driver, election(given.namespace), settings)

    run_opened(process, opened)


def _dns(driver: str) -> str:
    """A driver's name as a part of an object's name."""
    return re.sub(r"[^a-z0-9.]", "-", driver.lower()).strip("-.")
