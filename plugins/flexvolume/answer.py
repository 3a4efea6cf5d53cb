"""What a driver answers: one JSON object, read as forgivingly and as strictly as the contract's first reader does.

Keys match without regard to case, unknown ones are passed over, null is like absent; another type, text after the
object or no object at all is no answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson


class Status(StrEnum):
    """The words that count, to the letter."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    NOT_SUPPORTED = "Not supported"


@dataclass(frozen=True)
class Capabilities:
    """What a driver says of itself in its answer to `init`."""

    attach: bool = True
    """Without it there is neither attaching nor a mount of the node's: only the pod's."""
    fs_group: bool = True
    """Whether files may be given to the pod's group."""
    selinux_relabel: bool = True
    supports_metrics: bool = False
    requires_fs_resize: bool = True
    """Whether the node takes part in growing."""


@dataclass(frozen=True)
class Answer:
    """One answer. Messages are for people, and are not trusted to be short."""

    status: str = ""
    message: str = ""
    device: str = ""
    attached: bool = False
    capabilities: Capabilities = Capabilities()


class NoAnswerError(ValueError):
    """What was printed is no answer; says why, without showing it."""


_FIELDS: Final[Mapping[str, type]] = {
    "status": str,
    "message": str,
    "device": str,
    "volumename": str,
    "attached": bool,
    "capabilities": dict,
    "volumenewsize": int,
}
_CAPABILITIES: Final = {
    "attach": "attach",
    "fsgroup": "fs_group",
    "selinuxrelabel": "selinux_relabel",
    "supportsmetrics": "supports_metrics",
    "requiresfsresize": "requires_fs_resize",
}


def read(output: bytes) -> Answer:
    """The answer in an output.

    Raises:
        NoAnswerError: there is none.
    """
    try:
        found = orjson.loads(output.decode(errors="replace"))
    except orjson.JSONDecodeError as error:
        raise NoAnswerError("printed nothing" if not output.strip() else f"printed no JSON: {error.msg}") from None
    if found is None:
        found = {}
    if not isinstance(found, dict):
        raise NoAnswerError("printed JSON that is no object")
    members = _typed(found, _FIELDS)
    said = _typed(members.get("capabilities", {}), dict.fromkeys(_CAPABILITIES, bool))
    return Answer(
        status=members.get("status", ""),
        message=members.get("message", ""),
        device=members.get("device", ""),
        attached=members.get("attached", False),
        capabilities=Capabilities(**{_CAPABILITIES[key]: value for key, value in said.items()}),
    )


def _typed(found: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """The members that are known, by their names in lower case; the last of several counts."""
    typed = {}
    for key, value in found.items():
        name = key.lower()
        if name not in fields or value is None:
            continue
        if type(value) is not fields[name]:
            raise NoAnswerError(f"printed {key!r} as {type(value).__name__}, not {fields[name].__name__}")
        typed[name] = value
    return typed
