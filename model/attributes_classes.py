"""VolumeAttributesClass (storage.k8s.io/v1)."""

from model.meta import Object


class VolumeAttributesClass(Object, frozen=True, gc=False, rename="camel"):
    """What of a volume its driver can change while it is used."""

    driver_name: str = ""
    parameters: dict[str, str] | None = None
