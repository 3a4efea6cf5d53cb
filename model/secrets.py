"""Secret (core/v1), and references to one."""

import msgspec

from model.meta import Object


class Secret(Object, frozen=True, gc=False):
    """Small confidential files; values are base64."""

    type: str = "Opaque"
    data: dict[str, str] | None = None


class SecretReference(msgspec.Struct, frozen=True, gc=False):
    """Which Secret."""

    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
