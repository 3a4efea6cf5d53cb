"""What makes a Pod invalid, as far as volumes and scheduling are concerned, and what of it may change.

Source: "Pods" and "Pod update and replacement" in the Kubernetes concepts, and the fields of Pod in the API reference.
Probes, lifecycle hooks, security contexts and DNS settings are taken as they are.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from model.meta import JSON
from sandbox.errors import FieldError
from sandbox.rules import names
from sandbox.rules.checks import NOT_NEGATIVE, difference, duplicates, named, needed_name, within
from sandbox.rules.claims import claim_spec
from sandbox.rules.containers import container, port_conflicts
from sandbox.rules.scheduling import affinity, spread_constraints
from sandbox.rules.selectors import tolerations
from sandbox.rules.sources import pod_source

_UPDATABLE: Final = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_ONLY_ADDED: Final = "only additions are allowed (no mutations or deletions)"
_NAMES: Final = (
    ("serviceAccountName", names.dns_subdomain),
    ("nodeName", names.dns_subdomain),
    ("hostname", names.dns_label),
    ("subdomain", names.dns_label),
    ("priorityClassName", names.dns_subdomain),
    ("runtimeClassName", names.dns_subdomain),
)
_ENUMERATIONS: Final = {
    "restartPolicy": ("Always", "OnFailure", "Never"),
    "dnsPolicy": ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"),
    "preemptionPolicy": ("PreemptLowerPriority", "Never"),
}


def new(obj: JSON) -> Iterator[FieldError]:
    """Objections to a pod in any state."""
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name") or ""
    usable: dict[str, JSON] = {}
    yield from _volumes(spec, name, usable)
    yield from _containers(spec, usable)
    for field, supported in _ENUMERATIONS.items():
        if value := spec.get(field):
            yield from _listed(f"spec.{field}", value, supported)
    yield from names.labels("spec.nodeSelector", spec.get("nodeSelector") or {})
    yield from affinity("spec.affinity", spec.get("affinity") or {})
    yield from _gates(spec.get("schedulingGates") or ())
    yield from spread_constraints("spec.topologySpreadConstraints", spec.get("topologySpreadConstraints") or ())
    for field, rule in _NAMES:
        if value := spec.get(field):
            yield from named(f"spec.{field}", value, rule)
    if (deadline := spec.get("activeDeadlineSeconds")) is not None:
        yield from within("spec.activeDeadlineSeconds", deadline, 1)
    yield from tolerations("spec.tolerations", spec.get("tolerations") or ())
    if (grace := spec.get("terminationGracePeriodSeconds") or 0) < 0:
        yield FieldError.invalid("spec.terminationGracePeriodSeconds", grace, NOT_NEGATIVE)


def created(obj: JSON) -> Iterator[FieldError]:
    """Objections to a new pod, besides those to any."""
    spec = obj.get("spec") or {}
    if spec.get("ephemeralContainers"):
        yield FieldError.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        why = "cannot be set until all schedulingGates have been cleared"
        yield FieldError.forbidden("spec.nodeName", why)


def _listed(path: str, value: str, supported: Sequence[str]) -> Iterator[FieldError]:
    if value not in supported:
        yield FieldError.not_supported(path, value, supported)


def _volumes(spec: JSON, pod: str, usable: dict[str, JSON]) -> Iterator[FieldError]:
    """Objections to the volumes; those without any are entered in `usable`."""
    volumes = spec.get("volumes") or ()
    made = {f"{pod}-{each.get('name')}" for each in volumes if pod and each.get("ephemeral") is not None}
    for index, volume in enumerate(volumes):
        path, name = f"spec.volumes[{index}]", volume.get("name") or ""
        problems = [*pod_source(path, volume), *_template(path, volume, pod)]
        problems += needed_name(f"{path}.name", name, names.dns_label)
        if name in usable:
            problems.append(FieldError.duplicate(f"{path}.name", name))
        if not problems:
            usable[name] = volume
        yield from problems
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in made:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            yield FieldError.invalid(f"{path}.persistentVolumeClaim.claimName", claim, why)


def _template(path: str, volume: JSON, pod: str) -> Iterator[FieldError]:
    """The claim that an ephemeral volume asks for, and the name it would get."""
    if (template := (volume.get("ephemeral") or {}).get("volumeClaimTemplate")) is None:
        return
    at, metadata = f"{path}.ephemeral.volumeClaimTemplate", template.get("metadata") or {}
    yield from names.annotations(f"{at}.metadata.annotations", metadata.get("annotations") or {})
    yield from names.labels(f"{at}.metadata.labels", metadata.get("labels") or {})
    for field in sorted(set(metadata) - {"annotations", "labels", "creationTimestamp"}):
        yield FieldError.forbidden(f"{at}.metadata.{field}", "cannot be set")
    yield from claim_spec(f"{at}.spec", template.get("spec") or {})
    if pod and (name := volume.get("name")):
        claim = f"{pod}-{name}"
        for why in names.dns_subdomain(claim):
            yield FieldError.invalid(f"{path}.name", name, f'PVC name "{claim}": {why}')


def _containers(spec: JSON, volumes: dict[str, JSON]) -> Iterator[FieldError]:
    regular, first = spec.get("containers") or (), spec.get("initContainers") or ()
    if not regular:
        yield FieldError.required("spec.containers")
    for field, group in (("containers", regular), ("initContainers", first)):
        for index, each in enumerate(group):
            yield from container(f"spec.{field}[{index}]", each, volumes)
    taken = [(f"spec.containers[{index}].name", each.get("name") or "") for index, each in enumerate(regular)]
    taken += [(f"spec.initContainers[{index}].name", each.get("name") or "") for index, each in enumerate(first)]
    yield from duplicates(pair for pair in taken if pair[1])
    yield from port_conflicts("spec.containers", regular)
    for index, each in enumerate(first):
        if each.get("restartPolicy") != "Always":
            for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
                if each.get(field) is not None:
                    why = "may not be set for init containers without restartPolicy=Always"
                    yield FieldError.forbidden(f"spec.initContainers[{index}].{field}", why)


def _gates(gates: Sequence[JSON]) -> Iterator[FieldError]:
    for index, gate in enumerate(gates):
        yield from named(f"spec.schedulingGates[{index}]", gate.get("name") or "", names.qualified_name)
    yield from duplicates(
        (f"spec.schedulingGates[{index}]", gate.get("name") or "") for index, gate in enumerate(gates)
    )


def changed(obj: JSON, old: JSON) -> Iterator[FieldError]:
    """Objections to what became of a pod: little of it may change."""
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    for field in ("containers", "initContainers"):
        if len(spec.get(field) or ()) != len(before.get(field) or ()):
            yield FieldError.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return
    deadline = list(_deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")))
    yield from deadline
    if deadline and spec.get("activeDeadlineSeconds") is not None:
        return
    yield from _kept_tolerations(spec.get("tolerations") or (), before.get("tolerations") or ())
    yield from _kept_gates(spec.get("schedulingGates") or (), before.get("schedulingGates") or ())
    wanted = _comparable(spec, before)
    if before.get("schedulingGates"):
        yield from _gated(spec, before)
        wanted = _with_placement(wanted, before)
    if wanted != before:
        why = f"pod updates may not change fields other than {_UPDATABLE}\n{difference(before, wanted)}"
        yield FieldError.forbidden("spec", why)


def _deadline(now: int | None, was: int | None) -> Iterator[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if now is None:
        if was is not None:
            yield FieldError.invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= now <= 2**31 - 1:
        yield from within(path, now, 0)
    elif was is not None and was < now:
        yield FieldError.invalid(path, now, "must be less than or equal to previous value")


def _kept_tolerations(now: Sequence[JSON], was: Sequence[JSON]) -> Iterator[FieldError]:
    """Tolerations may be added; of those that were only the seconds may change."""
    kept = [_without(each, "tolerationSeconds") for each in now]
    if any(_without(each, "tolerationSeconds") not in kept for each in was):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield FieldError.forbidden("spec.tolerations", why)


def _without(obj: JSON, field: str) -> JSON:
    return {key: value for key, value in obj.items() if key != field}


def _kept_gates(now: Sequence[JSON], was: Sequence[JSON]) -> Iterator[FieldError]:
    old = {each.get("name") for each in was}
    for index, gate in enumerate(now):
        if gate.get("name") not in old:
            why = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield FieldError.forbidden(f"spec.schedulingGates[{index}].name", why)


def _comparable(spec: JSON, before: JSON) -> JSON:
    """The new spec without the changes that are allowed."""
    wanted = {**spec}
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        _put(wanted, field, before.get(field))
    for field in ("containers", "initContainers"):
        if spec.get(field):
            pairs = zip(spec[field], before[field], strict=True)
            wanted[field] = [{**each, "image": was.get("image")} for each, was in pairs]
    grace = "terminationGracePeriodSeconds"
    if (before.get(grace) or 0) < 0 and spec.get(grace) == 1:
        wanted[grace] = before[grace]
    return wanted


def _put(holder: JSON, field: str, value: Any) -> None:
    if value is None:
        holder.pop(field, None)
    else:
        holder[field] = value


def _gated(spec: JSON, before: JSON) -> Iterator[FieldError]:
    """A gated pod may be given more demands on its node, and lose none."""
    now, was = spec.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(now.get(key) != value for key, value in was.items()):
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield FieldError.invalid("spec.nodeSelector", now, why)
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    terms, old = _terms(spec), _terms(before)
    if old and len(terms) != len(old):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield FieldError.invalid(path, terms, why)
        return
    for index, (term, fixed) in enumerate(zip(terms, old, strict=False)):
        if not _only_adds(term, fixed):
            yield FieldError.invalid(f"{path}[{index}]", term, _ONLY_ADDED)


def _terms(spec: JSON) -> list[JSON]:
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms: list[JSON] = (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get(
        "nodeSelectorTerms"
    ) or []
    return terms


def _only_adds(term: JSON, old: JSON) -> bool:
    kinds = ("matchExpressions", "matchFields")
    if not any(old.get(kind) for kind in kinds):
        return not any(term.get(kind) for kind in kinds)
    return all((term.get(kind) or [])[: len(old.get(kind) or ())] == (old.get(kind) or []) for kind in kinds)


def _with_placement(wanted: JSON, before: JSON) -> JSON:
    """The new spec with the old demands on the node, which have been judged."""
    wanted = {**wanted}
    _put(wanted, "nodeSelector", before.get("nodeSelector"))
    now, was = {**(wanted.get("affinity") or {})}, before.get("affinity") or {}
    _put(now, "nodeAffinity", was.get("nodeAffinity"))
    _put(wanted, "affinity", now or before.get("affinity"))
    return wanted
