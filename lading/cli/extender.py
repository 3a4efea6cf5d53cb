"""`lading extender`."""

import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer

from deploy.grants import Mode
from extender.snapshot import SERVED_RULES, Rules, Shape
from lading.cli import options
from lading.cli.serving import Process, run_component
from lading.compose import Besides, Surroundings, extender_services
from lading.election import Election
from lading.endpoint import Endpoint, OptionsError
from lading.log import LogFormat, LogLevel
from lading.own_certificates import OwnCertificates, with_own
from lading.run import Service

_RULES: Final = "Rules"
SWITCHES: Final = {each.name.replace("_", "-"): each.name for each in fields(Rules) if each.type is bool}
"""Rules that may be switched, by the names that people give."""

Switch: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Repair what kube-scheduler does otherwise (repeatable; with no- before the name: do not): "
        f"{', '.join(SWITCHES)}. See docs/decisions/0004-the-extender.md.",
        rich_help_panel=_RULES,
    ),
]
ShapeOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--shape",
        metavar="U=S,U=S",
        help="How the use of volumes and pools scores, as `shape` of VolumeBindingArgs: utilization=score points. "
        "Default 0=10,100=0: the most room left wins.",
        rich_help_panel=_RULES,
        show_default=False,
    ),
]


def extender(
    mode: options.ModeOption = Mode.BESIDE,
    kubeconfig: options.Kubeconfig = None,
    switch: Switch = None,
    shape: ShapeOption = None,
    leader_elect: options.LeaderElect = False,
    lease_name: options.LeaseName = "lading-extender",
    lease_namespace: options.LeaseNamespace = None,
    lease_duration: options.LeaseDuration = Election.duration,
    renew_deadline: options.RenewDeadline = Election.renew,
    retry_period: options.RetryPeriod = Election.retry,
    listen: options.Listen = "127.0.0.1:8443",
    certs: options.Certs = None,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    client_ca: options.ClientCa = None,
    insecure_http: options.InsecureHttp = False,
    own_certs: options.OwnCerts = False,
    secret: options.OwnSecret = options.NAMES.secret,
    registration: options.OwnRegistration = options.NAMES.registration,
    host: options.OwnHost = None,
    log_format: options.LogFormatOption = LogFormat.AUTO,
    log_level: options.LogLevelOption = LogLevel.INFO,
) -> None:
    """Answer kube-scheduler: which nodes suit a pod's volumes, which best, and bind.

    Serves /filter, /prioritize, /preempt and /bind of the scheduler-extender protocol, /explain, and /healthz, /readyz
    and /metrics. `lading config scheduler` prints the configuration that makes kube-scheduler call it. Prints
    `listening URL` once it can answer.

    Whoever may call /bind may place pods: with --certs, --own-certs or --client-ca only callers with a certificate may.
    `lading certs issue --from-secret` makes the scheduler's of the authority of --own-certs.

    Several replicas with --mode instead need --leader-elect: the one with the Lease answers, the others are not ready
    and take over within the lease's time. Beside the scheduler's own plugins any number may answer.
    """
    times = (lease_duration, renew_deadline, retry_period)
    election = options.election((lease_namespace, lease_name), times, elects=leader_elect)
    rules = _rules(switch or (), shape)

    def services(given: Surroundings, besides: Besides | None = None) -> list[Service]:
        return extender_services(given, mode, election(given.namespace), rules, besides)[1]

    if not own_certs:
        endpoint = Endpoint(listen, tls_cert, tls_key, client_ca, certs, insecure_http)
        run_component(Process("extender", endpoint, kubeconfig, log_format, log_level), services)
    options.refuse_beside_own(certs, tls_cert, tls_key, insecure_http)
    with tempfile.TemporaryDirectory(prefix="lading-extender-") as folder:
        own = OwnCertificates(Path(folder), secret, tuple(host or ()), registration, injects=False)
        endpoint = own.endpoint("extender", listen, client_ca or own.bundle)
        process = Process("extender", endpoint, kubeconfig, log_format, log_level)
        run_component(process, lambda given: with_own("extender", own, given, lambda besides: services(given, besides)))


def _rules(switches: Sequence[str], shape: str | None) -> Rules:
    """The rules of the service with some switched on, or with `no-` before their names off."""
    changes: dict[str, Any] = {} if shape is None else {"shape": _shape(shape)}
    for each in switches:
        name = each.removeprefix("no-")
        if name not in SWITCHES:
            raise OptionsError(f"--switch {each}: there are {', '.join(SWITCHES)}, each with no- before it to be off")
        changes[SWITCHES[name]] = not each.startswith("no-")
    return replace(SERVED_RULES, **changes)


def _shape(text: str) -> Shape:
    wrong = OptionsError(
        f"--shape {text or repr(text)}: expected UTILIZATION=SCORE, several with commas; utilizations rise from 0 to "
        "100, scores are 0 to 10"
    )
    try:
        pairs = [each.split("=") for each in text.split(",")]
        points = tuple((int(utilization), 10 * int(score)) for utilization, score in pairs)
    except ValueError:
        raise wrong from None
    rising = all(left < right for (left, _), (right, _) in pairwise(points))
    if not rising or not all(0 <= utilization <= 100 and 0 <= score <= 100 for utilization, score in points):
        raise wrong
    return points
