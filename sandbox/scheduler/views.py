"""Pods and nodes as the scheduler reads them."""

import msgspec

from model.meta import JSON, Object
from model.selectors import NodeSelector

Quantities = dict[str, str]


class Resources(msgspec.Struct, frozen=True, gc=False):
    """What a container, or a pod as a whole, asks for."""

    requests: Quantities | None = None
    limits: Quantities | None = None


class Container(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container; an init container with restartPolicy Always goes on running beside the others."""

    resources: Resources | None = None
    restart_policy: str | None = None

    @property
    def requests(self) -> Quantities:
        """What it asks for, empty when nothing."""
        return (self.resources.requests if self.resources else None) or {}

    @property
    def limits(self) -> Quantities:
        """What it may use, empty when not said."""
        return (self.resources.limits if self.resources else None) or {}


class Toleration(msgspec.Struct, frozen=True, gc=False):
    """Taints that a pod does not mind."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class NodeAffinity(msgspec.Struct, frozen=True, gc=False):
    """Only what is required: preferences are not scored here."""

    required: NodeSelector | None = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class Affinity(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec.affinity, as far as it is heeded."""

    node_affinity: NodeAffinity | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a Pod."""

    node_name: str = ""
    scheduler_name: str = "default-scheduler"
    priority: int | None = None
    preemption_policy: str | None = None
    scheduling_gates: list[JSON] | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] | None = None
    containers: tuple[Container, ...] | None = None
    init_containers: tuple[Container, ...] | None = None
    overhead: Quantities | None = None
    resources: Resources | None = None


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a Pod."""

    phase: str = "Pending"
    start_time: str | None = None
    nominated_node_name: str = ""


class Pod(Object, frozen=True, gc=False):
    """A pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def priority(self) -> int:
        """spec.priority, 0 when not resolved."""
        return self.spec.priority or 0

    @property
    def terminated(self) -> bool:
        """Whether it has run to its end and uses nothing any more."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def waits_for_a_node(self) -> bool:
        """Whether it is to be scheduled."""
        return not (self.spec.node_name or self.deleting or self.terminated or self.spec.scheduling_gates)


class Taint(msgspec.Struct, frozen=True, gc=False):
    """A taint of a node."""

    key: str = ""
    value: str = ""
    effect: str = ""


class NodeCondition(msgspec.Struct, frozen=True, gc=False):
    """One condition of a node."""

    type: str = ""
    status: str = ""


class NodeSpec(msgspec.Struct, frozen=True, gc=False):
    """spec of a Node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] | None = None


class NodeStatus(msgspec.Struct, frozen=True, gc=False):
    """status of a Node."""

    allocatable: Quantities | None = None
    conditions: tuple[NodeCondition, ...] | None = None


class Node(Object, frozen=True, gc=False):
    """A node."""

    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


def read_pod(obj: JSON) -> Pod:
    """The pod, as the API server stores it."""
    return msgspec.convert(obj, Pod, strict=False)


def read_node(obj: JSON) -> Node:
    """The node, as the API server stores it."""
    return msgspec.convert(obj, Node, strict=False)
