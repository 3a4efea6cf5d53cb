"""ReferenceGrant (gateway.networking.k8s.io/v1beta1): a namespace lets objects of another one refer to its own."""

import msgspec

from model.meta import Object


class GrantFrom(msgspec.Struct, frozen=True, gc=False):
    """Who may refer: objects of a kind in a namespace. Group "" is core."""

    group: str = ""
    kind: str = ""
    namespace: str = ""


class GrantTo(msgspec.Struct, frozen=True, gc=False):
    """What may be referred to; without a name, all of the kind."""

    group: str = ""
    kind: str = ""
    name: str | None = None


class GrantSpec(msgspec.Struct, frozen=True, gc=False):
    """spec of a ReferenceGrant: every `from` may refer to every `to`."""

    from_: tuple[GrantFrom, ...] | None = msgspec.field(default=None, name="from")
    to: tuple[GrantTo, ...] | None = None


class ReferenceGrant(Object, frozen=True, gc=False):
    """What the namespace that it lives in shares, and with whom."""

    spec: GrantSpec = GrantSpec()
