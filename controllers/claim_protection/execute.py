"""The writes that protect a claim and let it go. One a pass, guarded by the version of the claim that was looked at."""

from typing import assert_never

import structlog

from controllers.claim_protection.decide import Action, Ask, Keep, Nothing, Protect
from controllers.claim_protection.live import LivePods
from controllers.finalizers import put_on, take_off
from controllers.writes import Writer
from model.names import CLAIM_PROTECTION
from model.resources import CLAIMS
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod

log = structlog.get_logger()


async def execute(action: Action, write: Writer, live: LivePods) -> None:
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
        case Nothing():
            pass
        case _:
            assert_never(action)


def _kept(claim: PersistentVolumeClaim, pod: Pod) -> None:
    log.debug("claim kept", namespace=claim.namespace, claim=claim.name, pod=pod.name)
