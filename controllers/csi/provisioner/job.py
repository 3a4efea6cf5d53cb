"""A volume that the driver is asked for: all that it takes to ask again in the same words, and to write its object."""

from base64 import b64decode, b64encode
from zlib import compress, decompress

import msgspec

from controllers.csi.provisioner.decide import Key
from model.meta import JSON, Metadata, Object, ObjectReference
from model.secrets import SecretReference
from plugins.csi import csi_pb2 as pb

_MANY_PLACES = 64
"""A request with more places is written down without them: each node of a large cluster may be one."""


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
    complete: bool = True
    """Whether the request is whole."""

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


def written(job: Job) -> str:
    """The job as text."""
    return b64encode(compress(msgspec.json.encode(_short(job)))).decode()


def read(text: str) -> Job:
    """The job that a text says.

    Raises:
        ValueError: it says none.
    """
    return msgspec.json.decode(decompress(b64decode(text)), type=Job)


def _short(job: Job) -> Job:
    request = job.asked()
    if len(request.accessibility_requirements.requisite) <= _MANY_PLACES:
        return job
    request.ClearField("accessibility_requirements")
    return msgspec.structs.replace(job, request=request.SerializeToString(), complete=False)
