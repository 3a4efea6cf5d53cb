"""What requests must hold, as the specification has it: pure, and in its codes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from grpc import StatusCode

from plugins.csi import csi_pb2 as pb
from plugins.csi.serving import Refused

NAME_BYTES: Final = 128
DEFAULT_BYTES: Final = 1 << 30
_SECTOR: Final = 512
_ID: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,127}")

Mode = pb.VolumeCapability.AccessMode
SINGLE_NODE: Final = frozenset(
    {
        Mode.SINGLE_NODE_WRITER,
        Mode.SINGLE_NODE_READER_ONLY,
        Mode.SINGLE_NODE_SINGLE_WRITER,
        Mode.SINGLE_NODE_MULTI_WRITER,
    }
)
"""Modes in which a volume is attached to one node."""
SINGLE_TARGET: Final = SINGLE_NODE - {Mode.SINGLE_NODE_MULTI_WRITER}
"""Modes in which a volume is published at one path of a node."""
READERS: Final = frozenset({Mode.SINGLE_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY})


def required(message: object, *fields: str) -> None:
    """Refuse a request in which one of these fields is empty."""
    for field in fields:
        value = getattr(message, field)
        if value in ("", 0) or (hasattr(value, "ListFields") and not value.ListFields()) or value == []:
            raise Refused(StatusCode.INVALID_ARGUMENT, f"{field} is missing")


def name(text: str) -> None:
    """Refuse what is no name."""
    if not text:
        raise Refused(StatusCode.INVALID_ARGUMENT, "name is missing")
    if len(text.encode()) > NAME_BYTES or any(ord(character) < 32 for character in text):
        raise Refused(
            StatusCode.INVALID_ARGUMENT, f"name must have at most {NAME_BYTES} bytes and no control characters"
        )


def new_id(volume_id: str) -> None:
    """Refuse an id of the caller's that could not be the name of a directory."""
    if _ID.fullmatch(volume_id) is None:
        raise Refused(StatusCode.INVALID_ARGUMENT, "volume_id must hold letters, digits, '-', '_' and '.' alone")


def absolute(path: str, field: str) -> None:
    """Refuse what is no path of a node."""
    if not path:
        raise Refused(StatusCode.INVALID_ARGUMENT, f"{field} is missing")
    if not path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise Refused(StatusCode.INVALID_ARGUMENT, f"{field} must be absolute and hold no '..'")


def capability(wanted: pb.VolumeCapability) -> None:
    """Refuse a capability that does not say how the volume is to be used."""
    if wanted.WhichOneof("access_type") is None:
        raise Refused(StatusCode.INVALID_ARGUMENT, "volume_capability says neither block nor mount")
    if wanted.access_mode.mode == Mode.UNKNOWN or wanted.access_mode.mode not in Mode.Mode.values():
        raise Refused(StatusCode.INVALID_ARGUMENT, "volume_capability has no access mode")


def is_block(wanted: Iterable[pb.VolumeCapability]) -> bool:
    """Whether all ask for a block device, rather than for a directory."""
    kinds = set()
    for each in wanted:
        capability(each)
        kinds.add(each.WhichOneof("access_type"))
    if not kinds:
        raise Refused(StatusCode.INVALID_ARGUMENT, "volume_capabilities are missing")
    if len(kinds) > 1:
        raise Refused(StatusCode.INVALID_ARGUMENT, "a volume can not be a block device and a directory")
    return kinds == {"block"}


def size_of(wanted: pb.CapacityRange, largest: int, at_least: int = 0) -> int:
    """The size for a range: what is required, in whole sectors; as large as the source where nothing is.

    Raises:
        Refused: no size is in the range.
    """
    if wanted.required_bytes < 0 or wanted.limit_bytes < 0:
        raise Refused(StatusCode.INVALID_ARGUMENT, "capacities can not be negative")
    size = wanted.required_bytes or at_least or min(DEFAULT_BYTES, wanted.limit_bytes or DEFAULT_BYTES)
    size = -(-size // _SECTOR) * _SECTOR
    if wanted.limit_bytes and size > wanted.limit_bytes:
        raise Refused(StatusCode.OUT_OF_RANGE, f"{size} bytes are more than the limit of {wanted.limit_bytes}")
    if size > largest:
        raise Refused(StatusCode.OUT_OF_RANGE, f"{size} bytes are more than a volume can have, {largest}")
    if size < at_least:
        raise Refused(StatusCode.OUT_OF_RANGE, f"{size} bytes are less than the source's {at_least}")
    return size


def in_range(size: int, wanted: pb.CapacityRange) -> bool:
    """Whether a volume of that size is one for the range."""
    return size >= wanted.required_bytes and (not wanted.limit_bytes or size <= wanted.limit_bytes)


def parameters(given: Mapping[str, str]) -> None:
    """Refuse what the driver does not know, so that a misspelt parameter is not silently without effect."""
    unknown = sorted(key for key in given if not key.startswith("csi.storage.k8s.io/"))
    if unknown:
        raise Refused(StatusCode.INVALID_ARGUMENT, f"this driver has no parameters: {', '.join(unknown)}")


def reaches(topology: Mapping[str, str], wanted: Sequence[pb.Topology]) -> bool:
    """Whether one of the topologies is ours; none at all is any."""
    return not wanted or any(holds(topology, each.segments) for each in wanted)


def holds(topology: Mapping[str, str], segments: Mapping[str, str]) -> bool:
    """Whether a place with this topology lies in the segments."""
    return all(topology.get(key) == value for key, value in segments.items())
