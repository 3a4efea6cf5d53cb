"""Secret (core/v1)."""

from model.meta import Object


class Secret(Object, frozen=True, gc=False):
    """Small confidential files; values are base64."""

    type: str = "Opaque"
    data: dict[str, str] | None = None
