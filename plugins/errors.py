"""How a call to a plugin ends when it does not succeed: three kinds, which decide what the caller may do next."""


class PluginError(Exception):
    """A call did not succeed. Only its subclasses are raised; the message is fit for an event."""


class Failed(PluginError):  # noqa: N818 - named by what happened
    """Over: nothing is left behind, and another call may be made, with other arguments too."""


class InDoubt(PluginError):  # noqa: N818 - named by what happened
    """The call may still be running, or may have had its effect: only the same call again can tell."""


class Exhausted(Failed):
    """Over, for want of room in the place that was asked for: another place may do."""


class StillInUse(Failed):
    """Over, because something uses the storage: it is no fault, and another time may do."""


class NotSupported(Failed):
    """Over, because the plugin can not do this at all: asking again does not help."""
