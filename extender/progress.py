"""How far the volumes of a pod that is being bound have come: done, on their way, or lost.

What is lost stays lost on this node, so the pod must be scheduled anew. Pure: the caller waits and asks again. Source:
the PreBind step of the scheduler's VolumeBinding plugin.
"""

from collections.abc import Iterable

from extender.plan import Match, Plan, Provision
from extender.snapshot import Snapshot
from model.selectors import Labels
from model.volumes import PersistentVolume
from storage.topology import reachable
from storage.translation import TranslationError, migrated_plugins, plugin_of, to_csi


class Lost(Exception):  # noqa: N818 - not an error of ours: the outcome of waiting
    """The pod can not be bound here any more; the message says why."""


def pending(plan: Plan, node: str, snapshot: Snapshot) -> str | None:
    """What is still waited for; None when every claim of the plan is bound.

    Raises:
        Lost: the node, a volume or a claim is gone, or storage is no longer being made for this node.
    """
    if node not in snapshot.nodes.position:
        raise Lost(f'failed to get node "{node}": node "{node}" not found')
    labels = snapshot.nodes.labels(node)
    waits = (
        *(_match_pending(match, node, labels, snapshot) for match in plan.matches),
        *(_provision_pending(provision, node, labels, snapshot) for provision in plan.provisions),
    )
    return _first(waits)


def _match_pending(match: Match, node: str, labels: Labels, snapshot: Snapshot) -> str | None:
    volume = snapshot.stores.volumes.get(match.volume.name)
    claim = snapshot.stores.claims.get(match.claim.key)
    if volume is None:
        raise Lost(f'failed to check binding: persistentvolume "{match.volume.name}" not found')
    if claim is None or claim.uid != match.claim.uid:
        raise Lost(f'failed to check binding: persistentvolumeclaim "{match.claim.name}" not found')
    if _older(volume.metadata.resource_version, match.volume.metadata.resource_version):
        return f"volume {volume.name} to be shown as reserved"
    _must_reach(volume, node, labels, snapshot)
    if volume.spec.claim_ref is None or not volume.spec.claim_ref.uid:
        raise Lost(f'ClaimRef got reset for pv "{volume.name}"')
    return None if claim.fully_bound else f"claim {claim.name} to be bound to volume {volume.name}"


def _provision_pending(provision: Provision, node: str, labels: Labels, snapshot: Snapshot) -> str | None:
    claim = snapshot.stores.claims.get(provision.claim.key)
    if claim is None or claim.uid != provision.claim.uid:
        raise Lost(f'failed to check provisioning pvc: persistentvolumeclaim "{provision.claim.name}" not found')
    if _older(claim.metadata.resource_version, provision.claim.metadata.resource_version):
        return f"claim {claim.name} to be shown with its node"
    if not claim.annotations:
        raise Lost(f'selectedNode annotation reset for PVC "{claim.name}"')
    if claim.selected_node != node:
        raise Lost(f'provisioning failed for PVC "{claim.name}"')
    if claim.spec.volume_name:
        volume = snapshot.stores.volume_of(claim)
        if volume is None:
            return f"volume {claim.spec.volume_name} of claim {claim.name} to be shown"
        _must_reach(volume, node, labels, snapshot)
    return None if claim.fully_bound else f"a volume to be made for claim {claim.name}"


def _must_reach(volume: PersistentVolume, node: str, labels: Labels, snapshot: Snapshot) -> None:
    plugin = plugin_of(volume.spec)
    if plugin and plugin.name in migrated_plugins(snapshot.stores.csi_nodes.get(node)):
        try:
            volume = to_csi(volume)
        except TranslationError as error:
            raise Lost(f"failed to translate pv to csi: could not translate pv: {error}") from error
    if not reachable(volume, labels):
        raise Lost(f'pv "{volume.name}" node affinity doesn\'t match node "{node}"')


def _older(shown: str, written: str) -> bool:
    """Whether what is shown is from before our write. Versions are numbers on every server that there is."""
    return shown.isdecimal() and written.isdecimal() and int(shown) < int(written)


def _first(waits: Iterable[str | None]) -> str | None:
    return next((wait for wait in waits if wait is not None), None)
