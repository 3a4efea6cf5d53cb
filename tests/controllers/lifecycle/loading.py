"""Putting objects that refer to one another on a server, each with its status, as if they had always been there."""

from collections.abc import Sequence
from typing import Any

from model.meta import JSON
from tests.controllers.api import Api
from tests.controllers.lifecycle.references import Uids


async def load(api: Api, uids: Uids, objects: Sequence[JSON]) -> None:
    """Create them in order, one whose references are not known yet once they are; then write what status they have."""
    waiting = list(objects)
    while waiting:
        ready = [each for each in waiting if uids.knows_all(without_status(each))]
        assert ready, f"references that nothing resolves: {waiting}"
        for obj in ready:
            await create(api, uids, without_status(obj))
            waiting.remove(obj)
    for obj in objects:
        await write_status(api, uids, obj)


async def create(api: Api, uids: Uids, obj: JSON) -> None:
    """Create one and remember its UID."""
    created = await api.create(uids.resolved(obj))
    assert created is not None
    uids.learn(created | {"kind": obj["kind"]})


async def write_status(api: Api, uids: Uids, obj: JSON) -> None:
    """Write the status that it is given, if it is given any."""
    if "status" in obj:
        obj = uids.resolved(obj)
        await api.merge(obj, {"status": obj["status"]}, "status")


def without_status(obj: JSON) -> dict[str, Any]:
    """The object but for its status."""
    return {key: value for key, value in obj.items() if key != "status"}
