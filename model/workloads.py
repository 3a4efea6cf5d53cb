"""Pod, Node, Namespace and Event, as far as storage and placement read them."""

import msgspec

from model.meta import JSON, Object, ObjectReference
from model.volumes import Csi, DiskSources


class ClaimSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A pod volume that names a claim of the pod's namespace."""

    claim_name: str = ""
    read_only: bool = False


class EphemeralSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A pod volume whose claim is made for the pod and dies with it."""

    volume_claim_template: JSON | None = None


class PodVolume(DiskSources, frozen=True, gc=False, rename="camel", kw_only=True):
    """One entry of spec.volumes. Sources that decide nothing are not read."""

    name: str = ""
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None
    csi: Csi | None = None


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """spec of a Pod."""

    node_name: str = ""
    scheduler_name: str = "default-scheduler"
    volumes: tuple[PodVolume, ...] | None = None
    priority: int | None = None
    node_selector: dict[str, str] | None = None


class Happened(msgspec.Struct, frozen=True, gc=False):
    """That something is so; how, is not read."""


class ContainerState(msgspec.Struct, frozen=True, gc=False):
    """Running, unless it says otherwise."""

    waiting: Happened | None = None
    terminated: Happened | None = None

    @property
    def runs(self) -> bool:
        """Whether the container runs, as far as is known."""
        return self.waiting is None and self.terminated is None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    """What a container of a pod does."""

    state: ContainerState = ContainerState(waiting=Happened())


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """status of a Pod."""

    phase: str = "Pending"
    nominated_node_name: str = ""
    init_container_statuses: tuple[ContainerStatus, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    ephemeral_container_statuses: tuple[ContainerStatus, ...] | None = None


class Pod(Object, frozen=True, gc=False):
    """A pod and its volumes."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def terminated(self) -> bool:
        """Whether it has run to its end, so that its volumes are no longer in use."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def over(self) -> bool:
        """Whether it has run to its end, or is on its way out and none of its containers runs."""
        return self.terminated or (self.deleting and not self._runs)

    @property
    def _runs(self) -> bool:
        status = self.status
        lists = (status.init_container_statuses, status.container_statuses, status.ephemeral_container_statuses)
        return any(each.state.runs for statuses in lists for each in statuses or ())

    @property
    def shut_down(self) -> bool:
        """Whether kubelet is done with it, or it was deleted by force: it only waits for finalizers."""
        return self.deleting and self.metadata.deletion_grace_period_seconds == 0

    @property
    def volumes(self) -> tuple[PodVolume, ...]:
        """spec.volumes, empty when absent."""
        return self.spec.volumes or ()

    def claim_name(self, volume: PodVolume) -> str | None:
        """The name of the claim behind a volume of this pod; None where there is none.

        The claim of a generic ephemeral volume is `POD-VOLUME`.
        """
        if volume.persistent_volume_claim is not None:
            return volume.persistent_volume_claim.claim_name
        if volume.ephemeral is not None:
            return f"{self.name}-{volume.name}"
        return None


class Taint(msgspec.Struct, frozen=True, gc=False):
    """A taint of a node."""

    key: str = ""
    effect: str = ""
    value: str = ""


class NodeSpec(msgspec.Struct, frozen=True, gc=False):
    """spec of a Node."""

    unschedulable: bool = False
    taints: tuple[Taint, ...] | None = None


class Node(Object, frozen=True, gc=False):
    """A node: for storage, its name and labels."""

    spec: NodeSpec = NodeSpec()


class Namespace(Object, frozen=True, gc=False):
    """A namespace."""


class Event(Object, frozen=True, gc=False):
    """An event of core/v1 (the form that kubectl describe shows)."""

    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    reporting_component: str = ""
