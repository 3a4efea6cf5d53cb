"""Making the claims of a pod, one after the other; a crash in between leaves those that are still missing."""

from collections.abc import Iterable
from typing import Final, assert_never

import structlog
from prometheus_client import CollectorRegistry, Counter

from controllers.ephemeral.decide import Action, Create, Foreign
from controllers.runtime import Retry
from controllers.writes import Writer
from kube.errors import AlreadyExists, KubeError
from kube.events import EventRecorder
from model.resources import CLAIMS, PODS
from model.workloads import Pod

log = structlog.get_logger()

FAILED_BINDING: Final = "FailedBinding"


class Metrics:
    """The two counters that dashboards know."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.creates = Counter(
            "ephemeral_volume_controller_create", "Claims that were to be made for pods.", registry=registry
        )
        self.failures = Counter(
            "ephemeral_volume_controller_create_failures", "Claims that could not be made.", registry=registry
        )


async def execute(actions: Iterable[Action], write: Writer, recorder: EventRecorder, metrics: Metrics) -> None:
    """Carry them out in order. Raises KubeError, and Retry where a claim of the name is somebody else's."""
    for action in actions:
        match action:
            case Create():
                await _create(action, write, recorder, metrics)
            case Foreign(pod, volume, claim):
                why = f"claim {claim.key} was not made for this pod"
                _say(recorder, pod, volume, why)
                raise Retry(f"ephemeral volume {volume}: {why}")
            case _:
                assert_never(action)


async def _create(action: Create, write: Writer, recorder: EventRecorder, metrics: Metrics) -> None:
    metrics.creates.inc()
    try:
        claim = await write.create(CLAIMS, action.body, action.pod.namespace)
    except AlreadyExists:
        # Known to us only in a moment: whose it is the next pass tells.
        metrics.failures.inc()
        raise
    except KubeError as error:
        metrics.failures.inc()
        _say(recorder, action.pod, action.volume, f"its claim can not be made: {error}")
        raise
    log.info("claim made for a pod", namespace=claim.namespace, claim=claim.name, pod=action.pod.name)


def _say(recorder: EventRecorder, pod: Pod, volume: str, why: str) -> None:
    recorder.event(pod, PODS, "Warning", FAILED_BINDING, f"ephemeral volume {volume}: {why}")
