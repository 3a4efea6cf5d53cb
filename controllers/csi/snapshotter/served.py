"""Whether there is work for the controllers of snapshots: a cluster may have none of their kinds."""

from collections.abc import Sequence

import structlog

from controllers.csi.names import SNAPSHOT_CONTROLLER, SNAPSHOTTER, named
from kube.client import Client
from kube.errors import KubeError, NotFound
from model.resources import SNAPSHOT_CLASSES

log = structlog.get_logger()


async def with_kinds(names: Sequence[str], expression: str, client: Client) -> tuple[str, ...]:
    """Those of `names` that can work on this cluster. `expression` is what they were selected by.

    Raises:
        ValueError: one that is named in it can not, or none is left.
    """
    needing = {SNAPSHOTTER, SNAPSHOT_CONTROLLER} & set(names)
    if not needing or await _are_served(client):
        return tuple(names)
    if wrong := sorted(needing & named(expression)):
        raise ValueError(
            f"--controllers asks for {', '.join(wrong)}, and the cluster has no {SNAPSHOT_CLASSES.group}/v1: "
            "apply `lading config snapshot-crds`, or leave it out"
        )
    log.info("controller is left out: the cluster has no kinds of snapshots", controller=SNAPSHOTTER)
    left = tuple(name for name in names if name not in needing)
    if not left:
        raise ValueError("the cluster has no kinds that any of the selected controllers works with")
    return left


async def _are_served(client: Client) -> bool:
    try:
        await client.list(SNAPSHOT_CLASSES)
    except NotFound:
        return False
    except KubeError as error:
        log.warning("kinds of snapshots are taken to be there", error=str(error))  # what is wrong, the caches will say
    return True
