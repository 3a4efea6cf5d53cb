"""Asking the API server whether a pod uses a claim.

A cache may not have the newest pods yet, and a claim that goes under a pod takes its data along. One list of a
namespace's pods answers for all its claims that were known to be on their way out when it was asked for: kubelet starts
no pod with such a claim, so what is not in use then is never in use again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from controllers.claim_protection.decide import user_of
from model.volumes import PersistentVolumeClaim
from model.workloads import Pod

MAX_NAMESPACES: Final = 64
"""Of so many namespaces answers are kept that nobody has asked for yet."""


class LivePods:
    """Answers from lists; each is given once, so that who asks again gets one of a new list."""

    def __init__(
        self,
        list_pods: Callable[[str], Awaitable[Sequence[Pod]]],
        going: Callable[[str], Iterable[PersistentVolumeClaim]],
    ) -> None:
        """`list_pods` asks the server for the pods of a namespace; `going` knows its claims that wait to go."""
        self._list_pods = list_pods
        self._going = going
        self._asking = asyncio.Lock()
        self._users: dict[str, dict[str, Pod | None]] = {}
        """By namespace and the claim's UID."""

    async def user_of(self, claim: PersistentVolumeClaim) -> Pod | None:
        """A pod that keeps the claim from going. Raises KubeError: the server can not be asked."""
        async with self._asking:
            users = self._users.get(claim.namespace, {})
            if claim.uid not in users:
                users = await self._ask(claim)
            return users.pop(claim.uid)

    async def _ask(self, claim: PersistentVolumeClaim) -> dict[str, Pod | None]:
        claims = [claim, *self._going(claim.namespace)]  # before the list, see the module
        pods = await self._list_pods(claim.namespace)
        by_claim = defaultdict[str, list[Pod]](list)
        for pod in pods:
            for volume in pod.volumes:
                by_claim[pod.claim_name(volume) or ""].append(pod)
        users = {each.uid: user_of(each, by_claim.get(each.name, ())) for each in claims}
        self._users.pop(claim.namespace, None)
        self._users[claim.namespace] = users
        if len(self._users) > MAX_NAMESPACES:
            del self._users[next(iter(self._users))]
        return users
