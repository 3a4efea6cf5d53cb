"""Whom published capacities go with: an owner of the pod that we run in, so that they are cleaned up with it."""

from typing import Final

from kube.client import Client
from kube.errors import NotFound
from model.meta import JSON, Object, OwnerReference
from model.resources import PODS, Resource

_MOST: Final = 10
"""Owners above each other are few; a ring of them would be endless."""


class OwnerError(ValueError):
    """There is no such owner; the message says where it ends."""


async def owners(client: Client, namespace: str, pod: str, level: int) -> tuple[JSON, ...]:
    """References to the owner so many levels above the pod (0 is the pod); none without a pod or a level.

    Raises:
        OwnerError: there is no such pod, or it has not so many owners above it.
        KubeError: one can not be read.
    """
    if not pod or level < 0:
        return ()
    try:
        found = await client.get(PODS, pod, namespace)
    except NotFound:
        raise OwnerError(f"there is no pod {namespace}/{pod}: see --pod-name and --namespace") from None
    reference = OwnerReference(kind=PODS.kind, name=pod, uid=found.uid, api_version=PODS.api_version)
    above = found.controller
    for step in range(min(level, _MOST)):
        if above is None:
            told = f"{reference.kind} {namespace}/{reference.name} has no owner"
            raise OwnerError(f"{told}: --capacity-ownerref-level {level} is too high, {step} is the highest")
        reference = above
        if step + 1 < level:
            above = (await client.get(_resource(above), above.name, namespace)).controller
    return (
        {
            "apiVersion": reference.api_version,
            "kind": reference.kind,
            "name": reference.name,
            "uid": reference.uid,
            "controller": True,
        },
    )


def _resource(reference: OwnerReference) -> Resource[Object]:
    group, _, version = reference.api_version.rpartition("/")
    return Resource(group, version, f"{reference.kind.lower()}s", reference.kind, namespaced=True, view=Object)
