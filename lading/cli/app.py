"""All commands, and how a command ends: 0 done, 1 failed, 2 asked wrongly; with one line that says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Final, Protocol, runtime_checkable

import typer

from lading.output import complain, say

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


def lading(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Storage-aware placement for Kubernetes.

    Lading decides where a pod's volumes let it run, makes the storage exist there, and says why when it can not.
    """


@dataclass(frozen=True)
class Row:
    """A command: the panel that help shows it in, and its function or group, as `module:name`."""

    panel: str
    where: str

    def load(self) -> object:
        """The function or the group."""
        module, _, name = self.where.partition(":")
        return getattr(import_module(f"lading.cli.{module}"), name)


COMMANDS: Final = {
    "demo": Row(_START, "demo:demo"),
    "sandbox": Row(_START, "sandbox:sandbox"),
    "extender": Row(_SERVICES, "extender:extender"),
    "webhooks": Row(_SERVICES, "webhooks:webhooks"),
    "controllers": Row(_SERVICES, "controllers:controllers"),
    "csi-hostpath": Row(_SERVICES, "csi_hostpath:csi_hostpath"),
    "csi-sidecar": Row(_SERVICES, "csi_sidecar:csi_sidecar"),
    "check": Row(_TOOLS, "check:check_files"),
    "explain": Row(_TOOLS, "explain:app"),
    "certs": Row(_TOOLS, "certs:app"),
    "config": Row(_TOOLS, "config:app"),
}
"""All commands, in the order in which help shows them."""


def app_of(names: Sequence[str] = tuple(COMMANDS)) -> typer.Typer:
    """The command line with these commands; of the others nothing is loaded."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # paragraphs of help are wrapped as such
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lading)
    for name in names:
        row = COMMANDS[name]
        command = row.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=row.panel)
        else:
            assert callable(command)
            app.command(name=name, rich_help_panel=row.panel)(command)
    return app


def _asked(arguments: Sequence[str]) -> Sequence[str]:
    """The commands that the command line needs: all of them, where it is wrong or asks for help."""
    match arguments:
        case ["--version"]:
            return ()
        case [name, *_] if name in COMMANDS:
            return (name,)
    return tuple(COMMANDS)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit status."""
    try:
        app = app_of(_asked(arguments))
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
