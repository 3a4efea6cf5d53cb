"""How a plugin's call ended, in one word for metrics."""

from typing import Final

from plugins.errors import Exhausted, InDoubt, NotSupported, PluginError, StillInUse

_WORDS: Final[dict[type[PluginError], str]] = {
    Exhausted: "exhausted",
    StillInUse: "in_use",
    InDoubt: "in_doubt",
    NotSupported: "unsupported",
}


def word_for(error: PluginError) -> str:
    """The word for a call that did not succeed."""
    return next((word for kind, word in _WORDS.items() if isinstance(error, kind)), "failed")
