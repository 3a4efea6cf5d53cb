"""How a plugin says no."""

from sandbox.attributes import Attributes
from sandbox.errors import ApiError, forbidden


def refused(request: Attributes, why: str) -> ApiError:
    """403, about the object's name or what is to become it."""
    metadata = (request.obj or {}).get("metadata") or {}
    name = request.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
    return forbidden(request.kind, name, why)
