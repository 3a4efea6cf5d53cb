"""ConfigMap (core/v1)."""

from model.meta import Object


class ConfigMap(Object, frozen=True, gc=False):
    """Small texts by key."""

    data: dict[str, str] | None = None
