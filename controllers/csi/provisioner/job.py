"""A volume that the driver is asked for: all that it takes to ask again in the same words, and to write its object."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

import msgspec
from google.protobuf.message import Message

from controllers.csi.provisioner.decide import Key
from controllers.csi.provisioner.packing import packed, unpacked
from model.meta import JSON, Metadata, Object, ObjectReference
from model.secrets import SecretReference
from plugins.csi import csi_pb2 as pb

_MANY_PLACES = 16
"""More places than this are written down apart, once for all jobs: each node of a large cluster may be one."""
SHARED = "places-"
"""What the key of places begins with."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One volume for one claim."""

    draft: JSON
    """The volume's object, without what the driver's answer tells."""
    request: bytes
    """The CreateVolumeRequest, without secrets."""
    secret: SecretReference | None = None
    """Whose content goes with it: read anew for each call."""
    node: str = ""
    """The node that was selected for the claim's pod."""
    places: str = ""
    """Where it is written down: the key of the places that it may be made in; "" where the request has them."""
    first: int = 0
    """Which of those is preferred; the others follow it, round and round."""

    @property
    def claim(self) -> ObjectReference:
        """The claim that it is for."""
        return msgspec.convert(self.draft["spec"]["claimRef"], ObjectReference)

    @property
    def key(self) -> str:
        """The claim's key in our queue."""
        return str(Key.to(self.claim))

    @property
    def name(self) -> str:
        """The volume's name."""
        name: str = self.draft["metadata"]["name"]
        return name

    @property
    def storage_class(self) -> str:
        """The name of its class."""
        name: str = self.draft["spec"]["storageClassName"]
        return name

    @property
    def about(self) -> Object:
        """The claim, as far as events need it, where it is gone."""
        claim = self.claim
        return Object(
            metadata=Metadata(
                name=claim.name, namespace=claim.namespace, uid=claim.uid, resource_version=claim.resource_version
            )
        )

    def asked(self) -> pb.CreateVolumeRequest:
        """The request, as often as it is wanted."""
        return pb.CreateVolumeRequest.FromString(self.request)


def written(job: Job) -> tuple[str, dict[str, bytes]]:
    """The job as text, and what it shares with others, by key: to be packed where it is not written down yet."""
    request = job.asked()
    where = request.accessibility_requirements
    if len(where.requisite) <= _MANY_PLACES:
        return packed(msgspec.msgpack.encode(job)), {}
    shared = _bytes(pb.TopologyRequirement(requisite=where.requisite))
    key, first = SHARED + sha256(shared).hexdigest()[:16], _order(shared)[_bytes(where.preferred[0])]
    request.ClearField("accessibility_requirements")
    short = msgspec.structs.replace(job, request=request.SerializeToString(), places=key, first=first)
    return packed(msgspec.msgpack.encode(short)), {key: shared}


def read(text: str, shared: Mapping[str, str]) -> Job:
    """The job that a text says, with what it shares.

    Raises:
        ValueError, KeyError, zlib.error, DecodeError: it says none.
    """
    job = msgspec.msgpack.decode(unpacked(text), type=Job)
    if not job.places:
        return job
    where = pb.TopologyRequirement.FromString(unpacked(shared[job.places]))
    where.preferred.extend([*where.requisite[job.first :], *where.requisite[: job.first]])
    request = job.asked()
    request.accessibility_requirements.CopyFrom(where)
    return msgspec.structs.replace(job, request=request.SerializeToString(), places="", first=0)


@lru_cache(maxsize=4)
def _order(shared: bytes) -> dict[bytes, int]:
    """By place, which one it is: claims of one time share their places."""
    return {_bytes(each): number for number, each in enumerate(pb.TopologyRequirement.FromString(shared).requisite)}


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
