"""A claim and its volume, bound, as they are before somebody asks for more."""

from typing import Any

from model.meta import JSON
from tests.controllers.csi.beside import NAME
from tests.controllers.inprocess import World, storage_class
from tests.controllers.manifests import claim, volume

ELASTIC = storage_class("elastic", NAME, allowVolumeExpansion=True)
CLAIM = ("PersistentVolumeClaim", "default", "c")


async def bound(
    made: World,
    *,
    size: str = "1Gi",
    source: JSON | None = None,
    status: JSON | None = None,
    in_tree: JSON | None = None,
) -> None:
    """Make them."""
    await made.create(ELASTIC, claim("c", size=size, storageClassName="elastic", volumeName="v"))
    reference = {
        "kind": "PersistentVolumeClaim",
        "namespace": "default",
        "name": "c",
        "uid": made.claim("c")["metadata"]["uid"],
    }
    csi = in_tree or {"csi": {"driver": NAME, "volumeHandle": "h", **(source or {})}}
    await made.create(volume("v", size=size, storageClassName="elastic", claimRef=reference, **csi))
    await made.merge("PersistentVolume", "", "v", {"status": {"phase": "Bound"}}, "status")
    whole = {"phase": "Bound", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], **(status or {})}
    await made.merge(*CLAIM, {"status": whole}, "status")


async def ask(made: World, size: str) -> None:
    """Let the claim ask for another size, as a user does."""
    await made.merge(*CLAIM, {"spec": {"resources": {"requests": {"storage": size}}}})


def grown(made: World) -> tuple[Any, ...]:
    """What is said of sizes: the volume's, the claim's, what is allocated, and how far it is."""
    status = made.claim("c")["status"]
    return (
        made.volume("v")["spec"]["capacity"]["storage"],
        status["capacity"]["storage"],
        status.get("allocatedResources", {}).get("storage"),
        status.get("allocatedResourceStatuses", {}).get("storage"),
    )


def conditions(made: World) -> dict[str, str]:
    """The claim's conditions."""
    return {each["type"]: each["status"] for each in made.claim("c")["status"].get("conditions") or ()}
