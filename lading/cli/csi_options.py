"""Options of `lading csi-sidecar` for attaching, growing, and what it does on a node."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from controllers.csi.names import REGISTRAR
from lading.endpoint import OptionsError

_ATTACHING = "Attaching and growing"
_NODE = "On a node"
_KUBELET = "On a node, for kubelet"
"""A panel of its own, or the long name leaves no room for the others' on a narrow terminal."""

AttachWorkers: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Attachments worked on at a time.", rich_help_panel=_ATTACHING)
]
ResizeWorkers: TypeAlias = Annotated[
    int, typer.Option(metavar="N", min=1, help="Volumes that are grown at a time.", rich_help_panel=_ATTACHING)
]
ReconcileSync: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.0,
        help="How often what the driver says is attached is compared with what should be; 0 for never.",
        rich_help_panel=_ATTACHING,
    ),
]
IgnoreInUse: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--ignore-in-use",
        help="Ask a driver that grows no volume in use again and again. By default pods are watched, and it is asked "
        "again when none uses the volume.",
        rich_help_panel=_ATTACHING,
    ),
]
ExtraModifyMetadata: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--extra-modify-metadata",
        metavar="",
        help="Tell the driver the names of claim and volume when it changes attributes.",
        rich_help_panel=_ATTACHING,
    ),
]
RegistrationDir: TypeAlias = Annotated[
    Path,
    typer.Option(
        metavar="DIR",
        help=f"Kubelet's folder plugins_registry, where {REGISTRAR} introduces the driver.",
        rich_help_panel=_NODE,
    ),
]
RegistrationPath: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--kubelet-registration-path",
        metavar="PATH",
        help=f"The driver's socket as kubelet finds it on the node; {REGISTRAR} needs it.",
        rich_help_panel=_KUBELET,
        show_default=False,
    ),
]
ProbeTimeout: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        max=20.0,
        help="How long the driver may take to answer who asks /healthz/driver.",
        rich_help_panel=_NODE,
    ),
]


def registration_path(path: Path | None) -> Path:
    """The driver's socket for kubelet.

    Raises:
        OptionsError: it is not given, or relative.
    """
    if path is None:
        raise OptionsError(f"{REGISTRAR} needs --kubelet-registration-path: the driver's socket as kubelet finds it")
    if not path.is_absolute():
        raise OptionsError(f"--kubelet-registration-path {path}: kubelet needs an absolute path")
    return path
