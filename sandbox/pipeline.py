"""How a write becomes an object of the store: the steps and their order, as in the real server.

Create: read, fill in, default, own, mutate, prepare, validate, admit, compare-and-swap. Update and patch: the same
around the object that is there, again from the start when it has changed meanwhile and the client did not say which
version it meant.
"""

import secrets
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from model.meta import JSON
from sandbox import managed
from sandbox.attributes import Attributes, Call, Operation
from sandbox.conversion import from_stored, to_stored
from sandbox.errors import FieldError, already_exists, bad_request, conflict, internal, invalid, not_found, unspecific
from sandbox.history import Key, Record
from sandbox.kinds import Kind
from sandbox.store import StorageError, Store, WriteConflictError

Clock = Callable[[], datetime]
Change = Callable[[JSON], JSON]
"""From the object that is there to the one that is wanted. It must not modify what it is given."""

_SUFFIX_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_BASE: Final = 58
_SYSTEM_FIELDS: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
_ATTEMPTS: Final = 100
"""How often a write without a precondition meets others on the same object before it gives up."""


class Rules(Protocol):
    """What the API itself knows of each kind."""

    def set_defaults(self, kind: Kind, obj: JSON) -> None:
        """Fill in what the client left out, in place."""

    def prepare_create(self, kind: Kind, obj: JSON) -> None:
        """Drop what a create may not set, in place."""

    def prepare_update(self, kind: Kind, new: JSON, old: JSON, subresource: str) -> None:
        """Keep what this path may not change, in place."""

    def validate_create(self, kind: Kind, obj: JSON) -> list[FieldError]:
        """Objections to a new object."""

    def validate_update(self, kind: Kind, new: JSON, old: JSON, subresource: str) -> list[FieldError]:
        """Objections to a changed object."""

    def warnings(self, kind: Kind, obj: JSON) -> Iterable[str]:
        """What to tell the client of an object that is accepted."""


class Admission(Protocol):
    """Built-in plugins and webhooks."""

    async def mutate(self, request: Attributes) -> JSON:
        """The object as they change it."""

    async def validate(self, request: Attributes) -> None:
        """Raise what they object."""

    async def admit_deletion(self, request: Attributes) -> None:
        """Raise what they object to a deletion, in both phases."""


class Pipeline:
    """Writes single objects; see the module."""

    def __init__(self, store: Store, rules: Rules, admission: Admission, clock: Clock) -> None:
        self.store, self.rules, self.admission, self.clock = store, rules, admission, clock

    async def create(self, kind: Kind, namespace: str, obj: JSON, call: Call, *, owned: bool = False) -> JSON:
        """Store a new object, already read; `owned` says that its managedFields are right.

        Raises:
            ApiError: whatever a step objects.
        """
        # A name that is to be generated is not known to webhooks that may still change the object.
        name = (obj.get("metadata") or {}).get("name", "")
        self._complete_metadata(kind, namespace, obj)
        options = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", **_options(call)}
        self.rules.set_defaults(kind, obj)
        if not owned:
            obj = managed.track(kind, None, obj, manager=call.manager, now=self.clock())
        request = Attributes(Operation.CREATE, kind, namespace, name, call, obj, options=options)
        obj = await self.admission.mutate(request)
        self.rules.prepare_create(kind, obj)
        self._refuse(kind, obj, self.rules.validate_create(kind, obj))
        call.warnings.extend(self.rules.warnings(kind, obj))
        key = (namespace, obj["metadata"]["name"])
        await self.admission.validate(replace(request.with_object(obj), name=key[1]))
        if call.dry_run:
            if self.store.get(kind.stored_resource, key):
                raise already_exists(kind, key[1])
            return obj
        try:
            record = await self._write(kind, key, to_stored(kind, obj), 0)
        except WriteConflictError:
            raise already_exists(kind, key[1]) from None
        return from_stored(kind, record.value)

    async def admit(
        self, kind: Kind, key: Key, body: JSON, call: Call, subresource: str, check: Callable[[JSON], object]
    ) -> JSON:
        """The body of a subresource that has one of its own, as admission lets it be; `check` objects in between.

        Raises:
            ApiError: whatever a step objects.
        """
        options = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", **_options(call)}
        request = Attributes(Operation.CREATE, kind, key[0], key[1], call, body, None, subresource, options)
        body = await self.admission.mutate(request)
        check(body)
        await self.admission.validate(request.with_object(body))
        return body

    async def change(
        self, kind: Kind, key: Key, change: Change, call: Call, subresource: str = "", *, admitted: bool = False
    ) -> JSON:
        """Store what `change` makes of an object; `admitted` says that admission has been asked.

        Raises:
            ApiError: whatever a step objects; 409 when `change` names another version, or too many others write.
        """
        for _ in range(_ATTEMPTS):
            record = self.current(kind, key)
            old = from_stored(kind, record.value)
            new = change(old)
            _keep_system_metadata(kind, new, old)
            try:
                return await self._replace(kind, record, new, old, call, subresource, admitted=admitted)
            except WriteConflictError:
                # Again on what is there now: a version that the client named no longer fits, and is a 409 then.
                continue
        raise conflict(kind, key[1])

    def current(self, kind: Kind, key: Key) -> Record:
        """The object as it is.

        Raises:
            ApiError: 404.
        """
        record = self.store.get(kind.stored_resource, key)
        if record is None:
            raise not_found(kind, key[1])
        return record

    async def remove(self, kind: Kind, record: Record) -> Record:
        """Delete for good.

        Raises:
            WriteConflictError: it has changed meanwhile.
        """
        return await self._write(kind, record.key, None, record.version)

    async def swap(self, kind: Kind, record: Record, value: JSON) -> Record:
        """Replace without further steps: for the server's own bookkeeping.

        Raises:
            WriteConflictError: it has changed meanwhile.
        """
        return await self._write(kind, record.key, value, record.version)

    async def _replace(
        self, kind: Kind, record: Record, new: JSON, old: JSON, call: Call, subresource: str, *, admitted: bool
    ) -> JSON:
        options = {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", **_options(call)}
        request = Attributes(Operation.UPDATE, kind, record.key[0], record.key[1], call, new, old, subresource, options)
        if not admitted:
            new = await self.admission.mutate(request)
        self.rules.prepare_update(kind, new, old, subresource)
        self._refuse(kind, new, self.rules.validate_update(kind, new, old, subresource))
        if not subresource:
            call.warnings.extend(self.rules.warnings(kind, new))
        if not admitted:
            await self.admission.validate(request.with_object(new))
        if call.dry_run:
            return new
        if _same(new, old):
            return old
        if is_finished(new):
            return from_stored(kind, (await self.remove(kind, record)).value)
        written = await self._write(kind, record.key, to_stored(kind, new), record.version)
        return from_stored(kind, written.value)

    async def _write(self, kind: Kind, key: Key, value: JSON | None, expected: int) -> Record:
        try:
            return await self.store.write(kind.stored_resource, key, value, expected=expected)
        except StorageError as error:
            raise internal(str(error)) from error

    def _complete_metadata(self, kind: Kind, namespace: str, obj: JSON) -> None:
        metadata: JSON = obj.setdefault("metadata", {})
        check_namespace(kind, namespace, metadata)
        if metadata.pop("resourceVersion", ""):
            raise unspecific("resourceVersion should not be set on objects to be created")
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(field, None)
        if not metadata.get("name") and (base := metadata.get("generateName")):
            metadata["name"] = base[:_LONGEST_BASE] + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(5))
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = timestamp(self.clock())

    @staticmethod
    def _refuse(kind: Kind, obj: JSON, errors: list[FieldError]) -> None:
        if errors:
            raise invalid(kind, obj["metadata"].get("name", ""), errors)


def check_namespace(kind: Kind, namespace: str, metadata: JSON) -> None:
    """Let the object be in the namespace of the request.

    Raises:
        ApiError: it says another one.
    """
    given = metadata.get("namespace") or ""
    if not kind.namespaced:
        metadata.pop("namespace", None)
    elif given not in ("", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    else:
        metadata["namespace"] = namespace


def check_uid(kind: Kind, name: str, wanted: str, held: JSON) -> None:
    """Let the request be about this object, not about another of its name.

    Raises:
        ApiError: 409.
    """
    uid = held["metadata"]["uid"]
    if wanted and wanted != uid:
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        raise conflict(kind, name, why)


def _keep_system_metadata(kind: Kind, new: JSON, old: JSON) -> None:
    """Put back what only the server writes; another uid stays, to be objected to.

    Raises:
        ApiError: 409, the client means another version.
    """
    metadata, held = new.setdefault("metadata", {}), old["metadata"]
    uid = metadata.get("uid") or held["uid"]
    if (metadata.get("resourceVersion") or held["resourceVersion"]) != held["resourceVersion"]:
        raise conflict(kind, held["name"])
    for field in _SYSTEM_FIELDS:
        if field in held:
            metadata[field] = held[field]
        else:
            metadata.pop(field, None)
    metadata["uid"] = uid


def is_finished(obj: JSON) -> bool:
    """Whether a deletion that has begun has nothing left to wait for."""
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
        and not (obj["kind"] == "Namespace" and obj.get("spec", {}).get("finalizers"))
    )


def timestamp(at: datetime) -> str:
    """RFC 3339 in whole seconds, as metadata carries it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _options(call: Call) -> JSON:
    return {**call.options, **({"dryRun": ["All"]} if call.dry_run else {})}


def _same(new: JSON, old: JSON) -> bool:
    """Whether nothing but the time of an owner's last write differs."""
    return _without_times(new) == _without_times(old)


def _without_times(obj: JSON) -> JSON:
    entries = obj["metadata"].get("managedFields") or ()
    timeless = [{key: value for key, value in entry.items() if key != "time"} for entry in entries]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": timeless}}
