"""Who reports what came of making and destroying storage.

What the plugins of the tree do is reported by the binder in kube-controller-manager, so here under its name too; what
others do under ours.
"""

from typing import Final

from controllers.migration import IN_TREE
from controllers.runtime import Context
from kube.events import EventRecorder

COMPONENT: Final = "plugin-provisioner"
IN_TREE_COMPONENT: Final = "persistentvolume-controller"


class Reporters:
    """The recorders of both."""

    def __init__(self, context: Context) -> None:
        self._in_tree = context.recorder(IN_TREE_COMPONENT)
        self._others = context.recorder(COMPONENT)

    def of(self, provisioner: str) -> EventRecorder:
        """The recorder for what this provisioner does; "" where a volume says nothing but what it is."""
        return self._in_tree if not provisioner or provisioner.startswith(IN_TREE) else self._others
