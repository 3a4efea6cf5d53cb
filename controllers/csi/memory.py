"""What counts of the last attempt to grow or change a claim's volume when it is decided what to do next. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Memory:
    """What the process remembers of a claim's last attempt; a new one remembers nothing, and tries once more."""

    failed_for_good: bool = False
    """The driver answered that it did not do it: it is not in doubt."""
    infeasible: bool = False
    """The driver answered, not long ago, that it never will, as it is asked."""
    in_use: bool = False
    """The driver answered that it does not while the volume is used, and a pod uses it still."""
