"""Options that several commands share, and what they mean together."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from deploy.rbac import Mode
from lading.log import LogFormat, LogLevel

_TLS = "Serving: address and certificates"
_PROCESS = "Process"
_WHERE = "Cluster"
_RULES = "Rules"

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
