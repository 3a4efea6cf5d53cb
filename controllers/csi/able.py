"""Which of the selected controllers a driver gives work: some need a call that not every driver has."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import structlog

from controllers.csi.names import named

log = structlog.get_logger()

NEEDED: Final[Mapping[str, str]] = {
    "csi-provisioner": "CREATE_DELETE_VOLUME",
    "csi-resizer": "EXPAND_VOLUME",
    "csi-modifier": "MODIFY_VOLUME",
    "csi-capacity": "GET_CAPACITY",
    "csi-snapshotter": "CREATE_DELETE_SNAPSHOT",
}
"""The capability, of its controller or its node service, without which there is nothing to do, by name."""


def able(names: Sequence[str], expression: str, calls: Collection[str]) -> tuple[str, ...]:
    """Those of `names` that the driver can work with. `expression` is what they were selected by.

    Raises:
        ValueError: one that is named in it is not among them, or none is left.
    """
    idle = {name: NEEDED[name] for name in names if name in NEEDED and NEEDED[name] not in calls}
    if wrong := [f"{name} needs {idle[name]}" for name in idle if name in named(expression)]:
        raise ValueError(f"the driver can not do what --controllers asks for: {', '.join(wrong)}; leave it out")
    for name, call in idle.items():
        log.info("controller is left out: the driver lacks a capability", controller=name, capability=call)
    left = tuple(name for name in names if name not in idle)
    if not left:
        raise ValueError("the driver has no capability that any of the selected controllers works with")
    return left
