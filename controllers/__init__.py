"""Controllers that bind claims and volumes, provision storage and protect what is in use.

They go by kube-controller-manager's names where it has them. `runtime` says how a controller is made.
"""

from collections.abc import Sequence
from typing import Final

NAMES: Final = (
    "persistentvolume-binder-controller",
    "persistentvolumeclaim-protection-controller",
    "persistentvolume-protection-controller",
    "persistentvolume-expander-controller",
    "ephemeral-volume-controller",
    "plugin-provisioner",
)
"""All of them, in the order in which they start."""


def select(expression: str, names: Sequence[str] = NAMES) -> tuple[str, ...]:
    """Those of `names` that `--controllers` asks for: names, `-name` for not that one, `*` for all others.

    Of a name that is given both ways the first counts, as in kube-controller-manager.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    items = [item.strip() for item in expression.split(",") if item.strip()]
    unknown = sorted({item.removeprefix("-") for item in items} - {*names, "*"})
    if unknown or "-*" in items:
        wrong = ", ".join(unknown) or "-*"
        raise ValueError(f"no such controller: {wrong}; there are {', '.join(names)}, -NAME, and * for all")
    return tuple(name for name in names if _wanted(name, items))


def _wanted(name: str, items: list[str]) -> bool:
    for item in items:
        if item.removeprefix("-") == name:
            return item == name
    return "*" in items
