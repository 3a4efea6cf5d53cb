"""metadata.managedFields: who owns which field, kept on every write as the real server keeps it."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sandbox.managed.owners import Writer, apply, update

if TYPE_CHECKING:
    from sandbox.kinds import Kind

__all__ = ["Writer", "apply", "track"]

JSON = dict[str, Any]


def track(
    kind: "Kind",
    old: JSON | None,
    new: JSON,
    *,
    manager: str,
    now: datetime,
    subresource: str = "",
) -> JSON:
    """`new` with the owners that a create (`old` is None), an update or a patch leaves; called before admission."""
    return update(Writer(kind, manager, now, subresource), old, new)
