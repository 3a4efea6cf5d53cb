"""All commands, and how a command ends: 0 done, 1 failed, 2 asked wrongly; with one line that says what to do."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Final, Protocol, runtime_checkable

import typer

from lading.cli import certs, config, explain
from lading.cli.check import check_files
from lading.cli.controllers import controllers
from lading.cli.csi_hostpath import csi_hostpath
from lading.cli.csi_sidecar import csi_sidecar
from lading.cli.demo import demo
from lading.cli.extender import extender
from lading.cli.sandbox import sandbox
from lading.cli.webhooks import webhooks
from lading.output import complain, say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs of help are wrapped as such
    context_settings={"help_option_names": ["-h", "--help"]},
)

_START: Final = "Start here"
_SERVICES: Final = "Services"
_TOOLS: Final = "Around them"


@runtime_checkable
class UsageFault(Protocol):
    """What typer raises for a command line that it can not read; its class is not public in all versions."""

    exit_code: int

    def format_message(self) -> str:
        """What is wrong."""


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"lading {version('lading')}")
        raise typer.Exit


@app.callback()
def lading(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Storage-aware placement for Kubernetes.

    Lading decides where a pod's volumes let it run, makes the storage exist there, and says why when it can not.
    """


app.command(rich_help_panel=_START)(demo)
app.command(rich_help_panel=_START)(sandbox)
app.command(rich_help_panel=_SERVICES)(extender)
app.command(rich_help_panel=_SERVICES)(webhooks)
app.command(rich_help_panel=_SERVICES)(controllers)
app.command(name="csi-hostpath", rich_help_panel=_SERVICES)(csi_hostpath)
app.command(name="csi-sidecar", rich_help_panel=_SERVICES)(csi_sidecar)
app.command(name="check", rich_help_panel=_TOOLS)(check_files)
app.add_typer(explain.app, name="explain", rich_help_panel=_TOOLS)
app.add_typer(certs.app, name="certs", rich_help_panel=_TOOLS)
app.add_typer(config.app, name="config", rich_help_panel=_TOOLS)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit status."""
    try:
        return int(app(args=list(arguments), prog_name="lading", standalone_mode=False) or 0)
    except (ValueError, LookupError) as error:
        # Options that do not go together, names that do not exist: every such message says what to give instead.
        for line in str(error).splitlines():
            complain(line)
        return 2
    except OSError as error:
        complain(_one_line(str(error)))
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not isinstance(error, UsageFault):
            raise
        complain(_one_line(error.format_message()) or "a command is needed: see lading --help")
        return error.exit_code


def _one_line(message: str) -> str:
    return " ".join(message.split())
