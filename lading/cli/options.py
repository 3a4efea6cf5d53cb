"""Options that several commands share, and what they mean together."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from deploy.grants import Mode, Names
from lading.election import Election
from lading.endpoint import OptionsError
from lading.log import LogFormat, LogLevel

NAMES: Final = Names()
"""What things are called unless options say otherwise."""

_TLS = "Serving: address and certificates"
_OWN = "Serving: certificates of its own"
_PROCESS = "Process"
_WHERE = "Cluster"
_RULES = "Rules"
_LEADING = "Leader election"

Kubeconfig: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Kubeconfig of the cluster. By default the usual rules: $KUBECONFIG, ~/.kube/config, in-cluster.",
        rich_help_panel=_WHERE,
        show_default=False,
    ),
]
ModeOption: TypeAlias = Annotated[
    Mode,
    typer.Option(
        help="How Lading stands to the stock components: beside them, or instead of their storage halves.",
        rich_help_panel=_WHERE,
    ),
]
Listen: TypeAlias = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 asks for a free one.", rich_help_panel=_TLS)
]
Certs: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="A folder as `lading certs issue` makes it. A renewed certificate is taken up without a restart.",
        rich_help_panel=_TLS,
    ),
]
TlsCert: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Certificate chain to serve with, in PEM.", rich_help_panel=_TLS)
]
TlsKey: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its private key, in PEM.", rich_help_panel=_TLS)
]
ClientCa: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Authorities, in PEM: callers must show a certificate of one of them. Probes and /metrics need none.",
        rich_help_panel=_TLS,
    ),
]
InsecureHttp: TypeAlias = Annotated[
    bool, typer.Option("--insecure-http", help="Serve plain HTTP, on loopback addresses only.", rich_help_panel=_TLS)
]
Linger: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.0,
        max=20.0,
        help="How long to go on answering, unready, when asked to stop: until nobody is sent here any more. Behind a "
        "Service give 10.",
        rich_help_panel=_PROCESS,
    ),
]
LogFormatOption: TypeAlias = Annotated[
    LogFormat,
    typer.Option("--log-format", help="auto: text on a terminal, JSON elsewhere.", rich_help_panel=_PROCESS),
]
LogLevelOption: TypeAlias = Annotated[
    LogLevel, typer.Option("--log-level", help="The least level that is logged.", rich_help_panel=_PROCESS)
]

RuleSettings: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="FILE",
        help="What each rule does, in YAML: docs/admission.md.",
        rich_help_panel=_RULES,
        show_default=False,
    ),
]
Enable: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="RULE", help="Switch a rule on (repeatable).", rich_help_panel=_RULES)
]
Disable: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="RULE", help="Switch a rule off (repeatable).", rich_help_panel=_RULES)
]

OwnCerts: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--own-certs",
        help="Keep an authority in a Secret that all replicas share, and a certificate of it for this one; both are "
        "renewed in time. See docs/certificates.md.",
        rich_help_panel=_OWN,
    ),
]
OwnSecret: TypeAlias = Annotated[
    str, typer.Option("--secret", metavar="NAME", help="That Secret, in the pod's namespace.", rich_help_panel=_OWN)
]
OwnRegistration: TypeAlias = Annotated[
    str,
    typer.Option(
        "--registration",
        metavar="NAME",
        help="The name of both webhook registrations. The webhooks keep the trust in the authority in them; no "
        "authority signs before they hold it.",
        rich_help_panel=_OWN,
    ),
]
OwnHost: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--host", metavar="NAME", help="A further name or address that this goes by (repeatable).", rich_help_panel=_OWN
    ),
]

LeaderElect: TypeAlias = Annotated[
    bool,
    typer.Option(help="Work only while holding a Lease: of several replicas one does.", rich_help_panel=_LEADING),
]
LeaseName: TypeAlias = Annotated[str, typer.Option(metavar="NAME", help="The Lease.", rich_help_panel=_LEADING)]
LeaseNamespace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Its namespace; by default that of the kubeconfig's context, or of the pod.",
        rich_help_panel=_LEADING,
        show_default=False,
    ),
]
LeaseDuration: TypeAlias = Annotated[
    float, typer.Option(metavar="SECONDS", help="How long others wait after a renewal.", rich_help_panel=_LEADING)
]
RenewDeadline: TypeAlias = Annotated[
    float, typer.Option(metavar="SECONDS", help="How long a holder goes on without one.", rich_help_panel=_LEADING)
]
RetryPeriod: TypeAlias = Annotated[
    float, typer.Option(metavar="SECONDS", help="How often it is tried.", rich_help_panel=_LEADING)
]


def election(
    lease: tuple[str | None, str], times: tuple[float, float, float], *, elects: bool
) -> Callable[[str], Election | None]:
    """Which election the options mean, by the namespace that is the default. `lease` is namespace and name.

    Raises:
        OptionsError: times that leave none to stop in.
    """
    duration, renew, retry = times
    if not 0 < 2 * retry <= renew < duration:
        raise OptionsError(
            "--retry-period, at most half of --renew-deadline, must be above 0, and that "
            f"below --lease-duration: not {retry:g}, {renew:g} and {duration:g}"
        )
    return lambda namespace: Election(lease[0] or namespace, lease[1], *times) if elects else None


def refuse_beside_own(*others: object) -> None:
    """Complain of options for certificates beside --own-certs.

    Raises:
        OptionsError: one of the others is given.
    """
    if any(others):
        raise OptionsError(
            "--own-certs says already where certificates come from: leave out the other options for them"
        )
