"""DELETE: at once, after a grace, or once finalizers are gone; and what is to become of dependents.

Rules: "Garbage Collection", "Finalizers" and "Termination of Pods" in the Kubernetes concepts. Dependents themselves
are the collector's work; a policy that must wait for it is kept as a finalizer.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from model.meta import JSON
from sandbox.attributes import Attributes, Call, Operation
from sandbox.conversion import from_stored
from sandbox.errors import FieldError, bad_request, conflict, invalid
from sandbox.history import Key, Record
from sandbox.kinds import Kind
from sandbox.pipeline import Pipeline, is_finished, timestamp
from sandbox.schema import DecodeError, builtin
from sandbox.schema.decode import decode_struct
from sandbox.store import WriteConflictError

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
_POLICIES: Final = ("Foreground", "Background", "Orphan")
_FINALIZERS: Final = {"Foreground": FOREGROUND, "Orphan": ORPHAN}


@dataclass(frozen=True)
class DeleteOptions:
    """What a DELETE may say."""

    uid: str | None = None
    resource_version: str | None = None
    grace_seconds: int | None = None
    propagation: str = ""

    @classmethod
    def read(cls, body: Any) -> "DeleteOptions":
        """From the request's body.

        Raises:
            ApiError: it is no DeleteOptions, or says what can not be.
        """
        try:
            value = decode_struct(builtin.definition(builtin.DELETE_OPTIONS), body).value if body else {}
        except DecodeError as error:
            raise bad_request(f"DeleteOptions cannot be handled: {error}") from error
        preconditions = value.get("preconditions") or {}
        orphan = value.get("orphanDependents")
        policy = value.get("propagationPolicy")
        if orphan is not None and policy:
            why = "orphanDependents and deletionPropagation cannot be both set"
            raise invalid(_OPTIONS_KIND, "", [FieldError.invalid("propagationPolicy", policy, why)])
        implied = "" if orphan is None else ("Orphan" if orphan else "Background")
        return cls(
            uid=preconditions.get("uid"),
            resource_version=preconditions.get("resourceVersion"),
            grace_seconds=value.get("gracePeriodSeconds"),
            propagation=policy or implied,
        )

    def errors(self) -> list[FieldError]:
        """Objections to the values."""
        if self.propagation and self.propagation not in _POLICIES:
            return [FieldError.not_supported("propagationPolicy", self.propagation, [*_POLICIES, "nil"])]
        return []


class Deletion:
    """Deletes single objects."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def delete(
        self,
        kind: Kind,
        key: Key,
        options: DeleteOptions,
        call: Call,
        *,
        of_many: bool = False,
        admitted: bool = False,
    ) -> tuple[JSON, bool]:
        """Begin or finish a deletion; the object's last state, and whether it is gone.

        Admission is not told the name of one `of_many`: the request names none; `admitted` says that it has been asked.

        Raises:
            ApiError: 404, 409 for a precondition, or what admission objects.
        """
        if errors := options.errors():
            raise invalid(_OPTIONS_KIND, "", errors)
        while True:
            record = self._pipeline.current(kind, key)
            old = from_stored(kind, record.value)
            _check_preconditions(kind, key[1], old["metadata"], options)
            name = "" if of_many else key[1]
            body = _options_body(options, call)
            request = Attributes(Operation.DELETE, kind, key[0], name, call, None, old, options=body)
            if not admitted:
                await self._pipeline.admission.admit_deletion(request)
            try:
                return await self._carry_out(kind, record, options, call)
            except WriteConflictError:
                continue

    async def _carry_out(self, kind: Kind, record: Record, options: DeleteOptions, call: Call) -> tuple[JSON, bool]:
        marked = self._marked(record.value, options)
        gone = is_finished(marked)
        if call.dry_run:
            return from_stored(kind, marked), gone
        if gone:
            if marked != record.value and _is_pod(marked):
                # A pod is always seen to end before it is seen no more.
                record = await self._pipeline.swap(kind, record, marked)
            try:
                removed = await self._pipeline.remove(kind, record)
            except WriteConflictError as error:
                if error.current is not None:
                    raise
                return from_stored(kind, record.value), True
            return from_stored(kind, removed.value), True
        if marked == record.value:
            return from_stored(kind, record.value), False
        written = await self._pipeline.swap(kind, record, marked)
        return from_stored(kind, written.value), False

    def _marked(self, value: JSON, options: DeleteOptions) -> JSON:
        """The object with its deletion begun: time, grace and the finalizer of the policy."""
        metadata = dict(value["metadata"])
        grace = _grace(value, options)
        begun = "deletionTimestamp" in metadata
        if not begun or grace < int(metadata.get("deletionGracePeriodSeconds") or 0):
            at = self._pipeline.clock() + timedelta(seconds=grace)
            metadata |= {"deletionTimestamp": timestamp(at), "deletionGracePeriodSeconds": grace}
        if not begun and "generation" in metadata:
            metadata["generation"] += 1
        policy = _FINALIZERS.get(options.propagation)
        finalizers = [each for each in metadata.get("finalizers") or () if each not in (FOREGROUND, ORPHAN)]
        if policy:
            finalizers.append(policy)
        elif not options.propagation:
            finalizers = list(metadata.get("finalizers") or ())
        metadata.pop("finalizers", None)
        if finalizers:
            metadata["finalizers"] = finalizers
        marked = {**value, "metadata": metadata}
        if value["kind"] == "Namespace":
            marked["status"] = {**(value.get("status") or {}), "phase": "Terminating"}
        return marked


@dataclass(frozen=True)
class _OptionsKind:
    group: str = "meta.k8s.io"
    plural: str = "DeleteOptions"
    kind: str = "DeleteOptions"


_OPTIONS_KIND: Final = _OptionsKind()


def _is_pod(value: JSON) -> bool:
    return bool(value["kind"] == "Pod" and value["apiVersion"] == "v1")


def _grace(value: JSON, options: DeleteOptions) -> int:
    """Seconds until the object goes. Only pods have a grace, and only where something runs."""
    if not _is_pod(value):
        return 0
    spec = value.get("spec") or {}
    if not spec.get("nodeName") or (value.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    wanted = options.grace_seconds
    if wanted is None:
        wanted = spec.get("terminationGracePeriodSeconds", 30)
    # Negative ones are asked for by mistake only; the real server makes them one second.
    return 1 if wanted < 0 else int(wanted)


def _check_preconditions(kind: Kind, name: str, metadata: JSON, options: DeleteOptions) -> None:
    for label, wanted, held, guess in (
        ("UID", options.uid, metadata["uid"], "The object might have been deleted and then recreated"),
        (
            *("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
            "The object might have been modified",
        ),
    ):
        if wanted is not None and wanted != held:
            why = f"the {label} in the precondition ({wanted}) does not match the {label} in record ({held}). {guess}"
            # This one conflict names the kind, as the real server does.
            raise conflict(replace(kind, plural=kind.kind), name, why)


def _options_body(options: DeleteOptions, call: Call) -> JSON:
    body: JSON = {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"}
    if options.grace_seconds is not None:
        body["gracePeriodSeconds"] = options.grace_seconds
    if options.propagation:
        body["propagationPolicy"] = options.propagation
    return body | ({"dryRun": ["All"]} if call.dry_run else {})
