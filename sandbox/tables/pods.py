"""The table of pods: what STATUS says follows the containers, as kubectl users expect it."""

from typing import Any

from sandbox.tables.cells import NONE, Printer, View, age, columns, name_of, since

JSON = dict[str, Any]

_UNREACHABLE = "NodeLost"


def _pod(obj: JSON, view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    reading = _Reading(obj)
    addresses = status.get("podIPs") or [{}]
    return [
        name_of(obj),
        f"{reading.ready}/{reading.total}",
        reading.status,
        _restarts(reading, view),
        age(obj, view),
        addresses[0].get("ip") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        _readiness_gates(spec, status),
    ]


def _restarts(reading: "_Reading", view: View) -> str:
    if reading.restarts and reading.last_restart:
        return f"{reading.restarts} ({since(reading.last_restart, view)} ago)"
    return str(reading.restarts)


def _readiness_gates(spec: JSON, status: JSON) -> str:
    gates = [gate.get("conditionType") for gate in spec.get("readinessGates") or ()]
    true = {each.get("type") for each in status.get("conditions") or () if each.get("status") == "True"}
    return f"{sum(gate in true for gate in gates)}/{len(gates)}" if gates else NONE


class _Reading:
    """What the containers of a pod add up to."""

    def __init__(self, pod: JSON) -> None:
        self._spec, self._status = pod["spec"], pod.get("status", {})
        init = self._spec.get("initContainers") or []
        self._sidecars = {each["name"] for each in init if each.get("restartPolicy") == "Always"}
        self._init_count = len(init)
        self._conditions = {each.get("type"): each for each in self._status.get("conditions") or ()}
        self.total = len(self._spec.get("containers") or ()) + len(self._sidecars)
        self.ready = self.restarts = 0
        self.last_restart = ""
        self.status: str = self._status.get("reason") or self._status.get("phase", "")
        if self._conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
            self.status = "SchedulingGated"
        initializing = self._read_init_containers()
        if not initializing or self._is_true("Initialized"):
            self._read_containers()
        self._read_deletion(pod)

    def _is_true(self, condition: str) -> bool:
        return bool(self._conditions.get(condition, {}).get("status") == "True")

    def _count_restarts(self, container: JSON) -> None:
        self.restarts += container.get("restartCount", 0)
        ended = (container.get("lastState") or {}).get("terminated") or {}
        self.last_restart = max(self.last_restart, ended.get("finishedAt") or "")

    def _read_init_containers(self) -> bool:
        """Whether one of them is still at work, or failed."""
        for index, container in enumerate(self._status.get("initContainerStatuses") or ()):
            self._count_restarts(container)
            state = container.get("state") or {}
            ended = state.get("terminated")
            if ended and not ended.get("exitCode"):
                continue
            if container.get("name") in self._sidecars and container.get("started"):
                self.ready += bool(container.get("ready"))
                continue
            waiting = (state.get("waiting") or {}).get("reason", "")
            if ended:
                self.status = f"Init:{_ended(ended)}"
            elif waiting not in {"", "PodInitializing"}:
                self.status = f"Init:{waiting}"
            else:
                self.status = f"Init:{index}/{self._init_count}"
            return True
        return False

    def _read_containers(self) -> None:
        init_statuses = self._status.get("initContainerStatuses") or ()
        self.restarts, self.last_restart = 0, ""
        for container in init_statuses:
            if container.get("name") in self._sidecars:
                self._count_restarts(container)
        running, failed = False, ""
        for container in reversed(self._status.get("containerStatuses") or ()):
            self._count_restarts(container)
            state = container.get("state") or {}
            ended = state.get("terminated")
            if waiting := (state.get("waiting") or {}).get("reason"):
                self.status = waiting
            elif ended:
                self.status = _ended(ended)
                failed = self.status if ended.get("exitCode") else failed
            elif container.get("ready") and "running" in state:
                running = True
                self.ready += 1
        if self.status == "Completed":
            self.status = self._completed(running=running, failed=failed)

    def _completed(self, *, running: bool, failed: str) -> str:
        """What to say where the first container ended well."""
        if running and self._is_true("Ready"):
            return "Running"
        if failed:
            return failed
        return "NotReady" if running else "Completed"

    def _read_deletion(self, pod: JSON) -> None:
        if not pod["metadata"].get("deletionTimestamp"):
            return
        if self._status.get("reason") == _UNREACHABLE:
            self.status = "Unknown"
        elif self._status.get("phase") not in {"Succeeded", "Failed"}:
            self.status = "Terminating"


def _ended(terminated: JSON) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


_COMPLETED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def row_conditions(obj: JSON) -> list[JSON]:
    """What tells clients that a pod is over."""
    phase = obj.get("status", {}).get("phase", "")
    if obj.get("kind") != "Pod" or phase not in _COMPLETED:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _COMPLETED[phase]}]


PRINTERS = {
    "pods": Printer(
        columns(*("Ready", "Status", "Restarts", "Age"), wide=("IP", "Node", "Nominated Node", "Readiness Gates")),
        _pod,
    )
}
