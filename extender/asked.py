"""`/explain`: why a pod may or may not run where, now, and what the scheduler was answered of late.

GET names a pod of the cluster; POST brings one that need not exist: what would be if it were created.
"""

from typing import Final

import msgspec
from aiohttp import web

from extender.decisions import Decisions
from extender.explain import NAMED, explain
from extender.snapshot import Snapshot
from extender.stores import Store
from model.workloads import Pod
from serving.http import json_response, read_json

PATH: Final = "/explain"
_DEFAULT_NAMESPACE: Final = "default"


class _Question(msgspec.Struct, frozen=True):
    """A pod as its manifest has it, and the nodes to look at: all of them unless some are named."""

    pod: Pod = msgspec.field(name="Pod")
    node_names: list[str] | None = msgspec.field(name="NodeNames", default=None)


class Asked:
    """The two ways to ask."""

    def __init__(self, snapshot: Snapshot, pods: Store[Pod], decisions: Decisions) -> None:
        self._snapshot = snapshot
        self._pods = pods
        self._decisions = decisions

    def about_one_of_the_cluster(self, request: web.Request) -> web.Response:
        """GET `?pod=NAMESPACE/NAME[&nodes=all]`; `nodes=all` lists every node's name.

        Raises:
            web.HTTPBadRequest, web.HTTPNotFound: no such pod.
        """
        key = request.query.get("pod", "")
        if key.count("/") != 1:
            raise web.HTTPBadRequest(text="say which pod: ?pod=NAMESPACE/NAME")
        pod = self._pods.get(key)
        if pod is None:
            raise web.HTTPNotFound(text=f"there is no pod {key}")
        return self._answer(request, pod, None)

    async def about_one_that_may_not_exist(self, request: web.Request) -> web.Response:
        """POST of `{"Pod": …, "NodeNames": […]}`; a pod without a namespace is taken to be in the default one."""
        question = await read_json(request, _Question)
        metadata = question.pod.metadata
        if not metadata.namespace:
            metadata = msgspec.structs.replace(metadata, namespace=_DEFAULT_NAMESPACE)
        return self._answer(request, msgspec.structs.replace(question.pod, metadata=metadata), question.node_names)

    def _answer(self, request: web.Request, pod: Pod, node_names: list[str] | None) -> web.Response:
        nodes = self._snapshot.nodes
        mask = nodes.all if node_names is None else nodes.mask_of(node_names)
        named = None if request.query.get("nodes") == "all" else NAMED
        decisions = self._decisions.of(pod.key)
        return json_response(explain(pod, self._snapshot, mask, named=named, decisions=decisions))
