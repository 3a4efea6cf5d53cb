"""An API server without HTTP, and the objects that tests put into it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from model.meta import JSON
from sandbox import rules
from sandbox.admission import open_admission
from sandbox.api import Api
from sandbox.kinds import Kinds
from sandbox.store import Store


@asynccontextmanager
async def api_server(store: Store | None = None) -> AsyncIterator[Api]:
    """The verbs over a store, with the namespace `default`."""
    store = store or Store()
    kinds = Kinds()
    async with open_admission(store, kinds) as admission:
        api = Api(store, kinds, rules, admission)
        await api.create(api.kind("v1", "Namespace"), "", {"metadata": {"name": "default"}})
        yield api


def pod(name: str, *, labels: JSON | None = None, requests: JSON | None = None, **spec: object) -> JSON:
    """A pod of one container."""
    container: JSON = {"name": "main", "image": "demo/app:1"}
    if requests:
        # Extended resources can not be overcommitted, so that the API wants limits.
        container["resources"] = {"requests": requests, "limits": {k: v for k, v in requests.items() if "/" in k}}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"containers": [container], **spec}}


async def add_node(
    api: Api, name: str, *, labels: JSON | None = None, room: JSON | None = None, **spec: object
) -> None:
    """A node that is ready, with its status."""
    kind = api.kind("v1", "Node")
    room = {"cpu": "4", "memory": "8Gi", "pods": "110", **(room or {})}
    status = {"allocatable": room, "capacity": room, "conditions": [{"type": "Ready", "status": "True"}]}
    await api.create(kind, "", {"metadata": {"name": name, "labels": labels or {}}, "spec": spec})
    await api.change(kind, ("", name), lambda old: old | {"status": status}, "status")


async def add_pod(api: Api, body: JSON) -> JSON:
    """Create a pod in `default`."""
    return await api.create(api.kind("v1", "Pod"), "default", body)


def get_pod(api: Api, name: str) -> JSON:
    """A pod of `default` as it is now."""
    return api.get(api.kind("v1", "Pod"), "default", name)


def condition(obj: JSON, type_: str) -> JSON:
    """One condition of an object's status, empty when it is not there."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == type_), {})


def events(api: Api, reason: str) -> list[JSON]:
    """The events with that reason, as core/v1 shows them."""
    return [record.value for record in api.store.records("events") if record.value["reason"] == reason]
