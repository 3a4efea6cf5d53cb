"""The writes that protect a claim, let it go, and mark it: one a pass, guarded by the version that was looked at."""

from collections.abc import Callable
from typing import Final, assert_never

import structlog

from controllers.claim_protection.decide import Action, Ask, Keep, Mark, Nothing, Protect
from controllers.claim_protection.live import LivePods
from controllers.finalizers import put_on, take_off
from controllers.writes import Writer
from kube.times import now
from model.meta import JSON
from model.names import CLAIM_PROTECTION, UNUSED
from model.resources import CLAIMS
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod

log = structlog.get_logger()

_UNUSED: Final = ("NoPodsUsingPVC", "no pod refers to the claim that has not ended")
_USED: Final = ("PodUsingPVC", "a pod refers to the claim")


async def execute(action: Action, write: Writer, live: LivePods, clock: Callable[[], str] = now) -> None:
    """Carry it out. Raises KubeError."""
    match action:
        case Protect(claim):
            await write.patch(CLAIMS, claim, put_on(claim, CLAIM_PROTECTION))
            log.info("claim protected", namespace=claim.namespace, claim=claim.name)
        case Ask(claim):
            pod = await live.user_of(claim)
            if pod is not None:
                _kept(claim, pod)
                return
            await write.patch(CLAIMS, claim, take_off(claim, CLAIM_PROTECTION))
            log.info("claim let go", namespace=claim.namespace, claim=claim.name)
        case Keep(claim, pod):
            _kept(claim, pod)
        case Mark(claim, unused):
            change = {"status": {"conditions": conditions(claim, clock(), unused=unused)}}
            await write.patch(CLAIMS, claim, change, subresource="status")
        case Nothing():
            pass
        case _:
            assert_never(action)


def conditions(claim: PersistentVolumeClaim, now: str, *, unused: bool) -> list[JSON]:
    """The claim's conditions with a new one of ours."""
    reason, message = _UNUSED if unused else _USED
    others = [each for each in claim.status.conditions or () if each.get("type") != UNUSED]
    status = "True" if unused else "False"
    ours = {"type": UNUSED, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
    return [*others, ours]


def _kept(claim: PersistentVolumeClaim, pod: Pod) -> None:
    log.debug("claim kept", namespace=claim.namespace, claim=claim.name, pod=pod.name)
