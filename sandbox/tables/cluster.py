"""The tables of nodes, namespaces, events, leases and what else a cluster consists of."""

from typing import Any

from sandbox.tables.cells import NONE, UNKNOWN, Heading, Printer, View, age, columns, first_few, labels, name_of, since

JSON = dict[str, Any]

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"


def _node(obj: JSON, view: View) -> list[Any]:
    info = obj.get("status", {}).get("nodeInfo") or {}
    kernel = info.get("kernelVersion") or UNKNOWN
    if info.get("architecture"):
        kernel += f" ({info['architecture']})"
    return [
        name_of(obj),
        _node_status(obj),
        ",".join(_roles(obj)) or NONE,
        age(obj, view),
        info.get("kubeletVersion", ""),
        _address(obj, "InternalIP"),
        _address(obj, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        kernel,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _node_status(obj: JSON) -> str:
    conditions = {each.get("type"): each.get("status") for each in obj.get("status", {}).get("conditions") or ()}
    words = {"True": "Ready", None: "Unknown"}
    status = words.get(conditions.get("Ready"), "NotReady")
    return f"{status},SchedulingDisabled" if obj["spec"].get("unschedulable") else status


def _roles(obj: JSON) -> list[str]:
    given = obj["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE_PREFIX) for key in given if key.startswith(_ROLE_PREFIX)}
    return sorted((roles | {given.get(_ROLE, "")}) - {""})


def _address(obj: JSON, kind: str) -> str:
    addresses = obj.get("status", {}).get("addresses") or ()
    return next((each.get("address", "") for each in addresses if each.get("type") == kind), NONE)


def _namespace(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), obj.get("status", {}).get("phase", ""), age(obj, view)]


def _event(obj: JSON, view: View) -> list[Any]:
    about, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    first = since(obj.get("firstTimestamp") or obj.get("eventTime"), view)
    last = since(obj["lastTimestamp"], view) if obj.get("lastTimestamp") else first
    count = obj.get("count") or 1
    if series := obj.get("series"):
        last, count = since(series.get("lastObservedTime"), view), series.get("count", 0)
    target = about.get("kind", "").lower()
    component = source.get("component") or obj.get("reportingComponent", "")
    instance = source.get("host") or obj.get("reportingInstance", "")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{target}/{about['name']}" if about.get("name") else target,
        about.get("fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        obj.get("message", "").strip(),
        first,
        count,
        name_of(obj),
    ]


def _config_map(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, view)]


def _secret(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, view)]


def _named(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), age(obj, view)]


def _lease(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), (obj.get("spec") or {}).get("holderIdentity", ""), age(obj, view)]


def _quota(obj: JSON, view: View) -> list[Any]:
    status = obj.get("status", {})
    used, hard = status.get("used") or {}, status.get("hard") or {}
    shown = {each: f"{each}: {used.get(each, '0')}/{hard[each]}" for each in sorted(hard)}
    limits = [text for each, text in shown.items() if each.startswith("limits.")]
    requests = [text for each, text in shown.items() if not each.startswith("limits.")]
    return [name_of(obj), ", ".join(requests), ", ".join(limits), age(obj, view)]


def _service(obj: JSON, view: View) -> list[Any]:
    spec = obj["spec"]
    addresses = spec.get("clusterIPs") or [NONE]
    ports = ",".join(_port(each) for each in spec.get("ports") or ())
    external = _external_address(obj)
    return [
        name_of(obj),
        spec.get("type", ""),
        addresses[0],
        external,
        ports or NONE,
        age(obj, view),
        labels(spec.get("selector")),
    ]


def _port(port: JSON) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', 0)}{node_port}/{port.get('protocol', '')}"


def _external_address(obj: JSON) -> str:
    spec = obj["spec"]
    given = list(spec.get("externalIPs") or ())
    match spec.get("type"):
        case "ExternalName":
            return str(spec.get("externalName", ""))
        case "LoadBalancer":
            ingress = (obj.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
            balanced = sorted({each.get("ip") or each.get("hostname", "") for each in ingress} - {""})
            return ",".join(balanced + given) or "<pending>"
        case _:
            return ",".join(given) or NONE


def _endpoints(obj: JSON, view: View) -> list[Any]:
    shown = [
        f"{address.get('ip', '')}:{port.get('port', 0)}" if port else address.get("ip", "")
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or [None]
        for address in subset.get("addresses") or ()
    ]
    return [name_of(obj), first_few(shown, "" if obj.get("subsets") else NONE), age(obj, view)]


def _endpoint_slice(obj: JSON, view: View) -> list[Any]:
    ports = [str(each.get("port") or each.get("name") or "*") for each in obj.get("ports") or ()]
    addresses = [address for each in obj.get("endpoints") or () for address in each.get("addresses") or ()]
    return [
        name_of(obj),
        obj.get("addressType", ""),
        first_few(ports, "<unset>"),
        first_few(addresses, "<unset>"),
        age(obj, view),
    ]


def _binding(obj: JSON, view: View) -> list[Any]:
    reference, subjects = obj.get("roleRef") or {}, obj.get("subjects") or ()
    names: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for each in subjects:
        prefix = f"{each.get('namespace', '')}/" if each.get("kind") == "ServiceAccount" else ""
        names.setdefault(each.get("kind", ""), []).append(prefix + each.get("name", ""))
    role = f"{reference.get('kind', '')}/{reference.get('name', '')}"
    kinds = ("User", "Group", "ServiceAccount")
    return [name_of(obj), role, age(obj, view), *(", ".join(names[kind]) for kind in kinds)]


def _webhooks(obj: JSON, view: View) -> list[Any]:
    return [name_of(obj), len(obj.get("webhooks") or ()), age(obj, view)]


def _definition(obj: JSON, _view: View) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    names = status.get("acceptedNames") or spec.get("names") or {}
    versions = [
        each.get("name", "") + ("(storage)" if each.get("storage") else "") for each in spec.get("versions") or ()
    ]
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or ()}
    return [
        name_of(obj),
        spec.get("scope", ""),
        ",".join(versions),
        obj["metadata"].get("creationTimestamp"),
        spec.get("group", ""),
        names.get("kind", ""),
        ",".join(names.get("shortNames") or ()),
        conditions.get("Established") == "True",
    ]


def _resource_claim(obj: JSON, view: View) -> list[Any]:
    status = obj.get("status", {})
    states = ["deleted"] if obj["metadata"].get("deletionTimestamp") else []
    if status.get("allocation"):
        states += ["allocated", "reserved"] if status.get("reservedFor") else ["allocated"]
    elif not states:
        states = ["pending"]
    return [name_of(obj), ",".join(states), age(obj, view)]


def _resource_slice(obj: JSON, view: View) -> list[Any]:
    spec = obj["spec"]
    pool = (spec.get("pool") or {}).get("name", "")
    return [name_of(obj), spec.get("nodeName", ""), spec.get("driver", ""), pool, age(obj, view)]


def _taint_rule(obj: JSON, view: View) -> list[Any]:
    taint = obj["spec"].get("taint") or {}
    added = since(taint["timeAdded"], view) if taint.get("timeAdded") else ""
    parts = [taint.get(each, "") for each in ("key", "value", "effect")]
    return [name_of(obj), *parts, added, age(obj, view)]


_EVENTS = Printer(
    (
        *(Heading(name) for name in ("Last Seen", "Type", "Reason", "Object")),
        *(Heading(name, priority=1) for name in ("Subobject", "Source")),
        Heading("Message"),
        *(Heading(name, priority=1) for name in ("First Seen", "Count")),
        Heading("Name", format="name", priority=1),
    ),
    _event,
)
_BINDINGS = Printer(columns("Role", "Age", wide=("Users", "Groups", "ServiceAccounts")), _binding)
_WEBHOOKS = Printer(columns("Webhooks", "Age", webhooks="integer"), _webhooks)
_AGES = Printer(columns("Age"), _named)

PRINTERS = {
    "nodes": Printer(
        columns(
            *("Status", "Roles", "Age", "Version"),
            wide=("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
        ),
        _node,
    ),
    "namespaces": Printer(columns("Status", "Age"), _namespace),
    "events": _EVENTS,
    "configmaps": Printer(columns("Data", "Age"), _config_map),
    "secrets": Printer(columns("Type", "Data", "Age"), _secret),
    "serviceaccounts": _AGES,
    "leases.coordination.k8s.io": Printer(columns("Holder", "Age"), _lease),
    "resourcequotas": Printer(columns("Request", "Limit", "Age"), _quota),
    "services": Printer(columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", wide=("Selector",)), _service),
    "endpoints": Printer(columns("Endpoints", "Age"), _endpoints),
    "endpointslices.discovery.k8s.io": Printer(columns("AddressType", "Ports", "Endpoints", "Age"), _endpoint_slice),
    "rolebindings.rbac.authorization.k8s.io": _BINDINGS,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDINGS,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "customresourcedefinitions.apiextensions.k8s.io": Printer(
        (
            *columns("Scope", "Versions", "Created At", wide=("Group", "Kind", "ShortNames"), createdat="date"),
            Heading("Established", "boolean", priority=1),
        ),
        _definition,
    ),
    "deviceclasses.resource.k8s.io": _AGES,
    "resourceclaimtemplates.resource.k8s.io": _AGES,
    "resourceclaims.resource.k8s.io": Printer(columns("State", "Age"), _resource_claim),
    "resourceslices.resource.k8s.io": Printer(columns("Node", "Driver", "Pool", "Age"), _resource_slice),
    "devicetaintrules.resource.k8s.io": Printer(columns("Key", "Value", "Effect", "TimeAdded", "Age"), _taint_rule),
}
