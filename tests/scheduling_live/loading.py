"""Putting the objects of a scheduling case on a real server, as the case shows them stored.

The server gives UIDs of its own, so what refers to a UID of the case is created after its owner, and refers to the new
one. Status goes through its subresource. What is being deleted has a finalizer: it is created, and then deleted.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

from model.meta import JSON
from tests.scheduling_live.api import Api

_WITH_STATUS: Final = frozenset({"Node", "Pod", "PersistentVolume", "PersistentVolumeClaim", "VolumeAttachment"})
_GIVEN_BY_SERVER: Final = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
    }
)


async def load(api: Api, objects: Sequence[JSON]) -> list[JSON]:
    """Create them all; the objects as the server has them now."""
    uids, created = dict[str, str](), dict[int, JSON]()
    owners = {obj["metadata"].get("uid") for obj in objects} - {None}
    waiting = dict(enumerate(objects))
    while waiting:
        ready = {n: obj for n, obj in waiting.items() if uids.keys() >= owners & set(_references(obj))}
        assert ready, f"references that nothing resolves: {waiting}"
        answers = await api.create_all(_as_written(obj, uids) for obj in ready.values())
        for (number, obj), answer in zip(ready.items(), answers, strict=True):
            uids[obj["metadata"].get("uid", "")] = answer["metadata"]["uid"]
            created[number] = answer
            del waiting[number]
    return await asyncio.gather(*(_finish(api, obj, created[number]) for number, obj in enumerate(objects)))


async def _finish(api: Api, obj: JSON, created: JSON) -> JSON:
    if obj.get("status") and obj["kind"] in _WITH_STATUS:
        written = await api.merge(created, {"status": obj["status"]}, "status")
        assert written is not None
        created = written
    if obj["metadata"].get("deletionTimestamp"):
        await api.delete(created)
        namespace, name = created["metadata"].get("namespace", ""), created["metadata"]["name"]
        deleting = await api.get(obj["kind"], namespace, name)
        assert deleting is not None, "a finalizer holds it"
        assert deleting["metadata"]["deletionTimestamp"]
        created = deleting | {"kind": obj["kind"]}
    return created


def _as_written(obj: JSON, uids: dict[str, str]) -> JSON:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _GIVEN_BY_SERVER}
    written: JSON = _renamed({key: value for key, value in obj.items() if key != "status"}, uids)
    return {**written, "metadata": _renamed(metadata, uids)}


def _renamed(value: Any, uids: dict[str, str]) -> Any:
    """The value with the server's UIDs in place of the case's; those of nobody stay."""
    match value:
        case dict():
            return {
                key: uids.get(each, each) if key == "uid" and isinstance(each, str) else _renamed(each, uids)
                for key, each in value.items()
            }
        case list():
            return [_renamed(each, uids) for each in value]
        case _:
            return value


def _references(obj: JSON) -> Iterator[str]:
    """The UIDs of others that an object names."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        yield owner["uid"]
    claim = obj.get("spec", {}).get("claimRef") or {}
    if claim.get("uid"):
        yield claim["uid"]
