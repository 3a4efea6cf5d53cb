"""Whether there is work for the controllers of snapshots: a cluster may have none of their kinds."""

from collections.abc import Sequence
from typing import Final

import structlog

from kube.client import Client
from kube.errors import KubeError, NotFound
from model.resources import SNAPSHOT_CLASSES

log = structlog.get_logger()

SNAPSHOTTER: Final = "csi-snapshotter"
CONTROLLER: Final = "snapshot-controller"
"""A cluster has it once, whatever drivers it has: it runs where it is named, and `*` does not mean it."""


async def with_kinds(names: Sequence[str], expression: str, client: Client) -> tuple[str, ...]:
    """Those of `names` that can work on this cluster. `expression` is what they were selected by.

    Raises:
        ValueError: one that is named in it can not, or none is left.
    """
    named = {item.strip() for item in expression.split(",")}
    left = [name for name in names if name != CONTROLLER or name in named]
    if not {SNAPSHOTTER, CONTROLLER} & set(left) or await _are_served(client):
        return tuple(left)
    if wrong := sorted({SNAPSHOTTER, CONTROLLER} & named):
        raise ValueError(
            f"--controllers asks for {', '.join(wrong)}, and the cluster has no {SNAPSHOT_CLASSES.group}/v1: "
            "apply `lading config snapshot-crds`, or leave it out"
        )
    log.info("controller is left out: the cluster has no kinds of snapshots", controller=SNAPSHOTTER)
    left.remove(SNAPSHOTTER)
    if not left:
        raise ValueError("the cluster has no kinds that any of the selected controllers works with")
    return tuple(left)


async def _are_served(client: Client) -> bool:
    try:
        await client.list(SNAPSHOT_CLASSES)
    except NotFound:
        return False
    except KubeError as error:
        log.warning("kinds of snapshots are taken to be there", error=str(error))  # what is wrong, the caches will say
    return True
