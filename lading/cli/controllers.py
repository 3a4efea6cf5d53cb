"""`lading controllers`."""

from pathlib import Path
from typing import Annotated

import typer

from controllers import NAMES, select
from deploy.grants import Mode
from lading.cli import options
from lading.cli.serving import Process, run_component
from lading.compose import controller_services
from lading.election import Election
from lading.endpoint import Endpoint, OptionsError
from lading.log import LogFormat, LogLevel
from plugins import host_path
from plugins.registry import Settings

_WORK = "What runs"

Expression = Annotated[
    str,
    typer.Option(
        "--controllers",
        metavar="LIST",
        help=f"As kube-controller-manager's flag: * for all, NAME, -NAME for all but it. There are {', '.join(NAMES)}.",
        rich_help_panel=_WORK,
    ),
]
HostPathRoot = Annotated[
    Path,
    typer.Option(metavar="DIR", help="Where directories of hostPath volumes are made.", rich_help_panel=_WORK),
]
CsiDrivers = Annotated[
    list[str] | None,
    typer.Option(
        "--csi-driver",
        metavar="N=URL",
        help="Provision by CSI driver N at unix:///PATH; may be repeated.",
        rich_help_panel=_WORK,
    ),
]


def controllers(
    expression: Expression = "*",
    mode: options.ModeOption = Mode.BESIDE,
    host_path_root: HostPathRoot = host_path.ROOT,
    csi_driver: CsiDrivers = None,
    kubeconfig: options.Kubeconfig = None,
    leader_elect: options.LeaderElect = True,
    lease_name: options.LeaseName = "lading-controllers",
    lease_namespace: options.LeaseNamespace = None,
    lease_duration: options.LeaseDuration = Election.duration,
    renew_deadline: options.RenewDeadline = Election.renew,
    retry_period: options.RetryPeriod = Election.retry,
    listen: options.Listen = "127.0.0.1:10260",
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Bind claims to volumes, provision volumes, and protect what is in use.

    They take the place of kube-controller-manager's own, so they run only with --mode instead. Serves /healthz,
    /readyz and /metrics. Prints `listening URL` once it works, or waits for the Lease.
    """
    names = select(expression)
    _check(names, mode)
    plugins = Settings(host_path_root, csi=dict(_driver(each) for each in csi_driver or ()))
    endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
    process = Process("controllers", endpoint, kubeconfig, log_format, log_level)
    times = (lease_duration, renew_deadline, retry_period)
    election = options.election((lease_namespace, lease_name), times, elects=leader_elect)
    run_component(
        process,
        lambda given: controller_services(given, names, election(given.namespace), plugins),
    )


def _driver(text: str) -> tuple[str, str]:
    name, separator, endpoint = text.partition("=")
    if not (name and separator and endpoint.startswith("unix:")):
        raise OptionsError(f"--csi-driver {text!r}: expected NAME=unix:///PATH")
    return name, endpoint


def _check(names: tuple[str, ...], mode: Mode) -> None:
    if not names:
        raise OptionsError("--controllers selects none: give names, or * for all")
    if mode is not Mode.INSTEAD:
        off = ",".join(f"-{name}" for name in names if name.endswith("-controller"))
        raise OptionsError(
            "beside kube-controller-manager its own controllers do this work, and no object may have two owners: "
            f"give --mode instead, and start kube-controller-manager with --controllers=*,{off}"
        )
