"""A volume plugin that does as it is told."""

from model.volumes import PersistentVolume
from plugins.errors import InDoubt, PluginError
from plugins.protocol import Provisioned, ProvisionRequest

PROVISIONER = "kubernetes.io/told"


class Told:
    """A plugin that raises what it is told, once each, and remembers what there is."""

    def __init__(self, name: str = PROVISIONER) -> None:
        self.name = name
        self.provision_faults: list[PluginError] = []
        self.delete_faults: list[PluginError] = []
        self.requests: list[ProvisionRequest] = []
        self.storage: set[str] = set()

    # --- controllers.runtime.Plugins ---

    def provisioner(self, name: str) -> "Told | None":
        return self if name == self.name else None

    def deleter(self, volume: PersistentVolume) -> "Told | None":
        return self if volume.spec.host_path else None

    def recycler(self, volume: PersistentVolume) -> "Told | None":
        return self if volume.spec.nfs else None

    # --- plugins.protocol ---

    def scrub_seconds(self, volume: PersistentVolume) -> int:
        return 60

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        self.requests.append(request)
        fault = self.provision_faults.pop(0) if self.provision_faults else None
        if fault is None or isinstance(fault, InDoubt):
            self.storage.add(request.name)
        if fault is not None:
            raise fault
        return Provisioned({"hostPath": {"path": f"/told/{request.name}"}}, request.size_bytes)

    async def delete(self, volume: PersistentVolume) -> None:
        assert volume.spec.host_path
        if self.delete_faults:
            raise self.delete_faults.pop(0)
        self.storage.discard(volume.spec.host_path.path.rpartition("/")[2])
