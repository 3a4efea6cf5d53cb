"""The server's verbs without HTTP: what requests and the server's own parts both call.

Objects go in and come out as JSON objects in the version of the kind that is named; nobody may change what comes out.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from model.meta import JSON
from sandbox import managed, pods, scale
from sandbox.attributes import INTERNAL, Call
from sandbox.bodies import Body, read_object
from sandbox.conversion import from_stored
from sandbox.definitions import Definitions
from sandbox.deletion import DeleteOptions, Deletion
from sandbox.errors import ApiError, FieldError, bad_request, invalid
from sandbox.history import Key
from sandbox.kinds import Kind, Kinds, is_made_by_updates, needs_version
from sandbox.listing import Listing, ListRequest, list_objects
from sandbox.patch import APPLY_PATCH, PatchOptions, apply_patch
from sandbox.pipeline import Admission, Clock, Pipeline, Rules, check_namespace, check_uid
from sandbox.schema import schema_named
from sandbox.schema.decode import DecodeError, decode_struct
from sandbox.store import Store
from sandbox.watching import WatchEvent, WatchRequest, watch

_OWN_BODIES: Final = {"binding": "v1/Binding", "eviction": "policy/v1/Eviction"}


class Api:
    """The verbs; see the module."""

    def __init__(
        self,
        store: Store,
        kinds: Kinds,
        rules: Rules,
        admission: Admission,
        *,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.store, self.kinds, self._rules = store, kinds, rules
        self._pipeline = Pipeline(store, rules, admission, clock)
        self._deletion = Deletion(self._pipeline)
        self._definitions = Definitions(store, kinds, self._pipeline)
        self._definitions.serve_all()

    def kind(self, api_version: str, kind: str) -> Kind:
        """The kind of that name.

        Raises:
            LookupError: it is not served.
        """
        found = self.kinds.by_kind(api_version, kind)
        if found is None:
            raise LookupError(f"{api_version} {kind} is not served")
        return found

    def get(self, kind: Kind, namespace: str, name: str) -> JSON:
        """One object.

        Raises:
            ApiError: 404.
        """
        return from_stored(kind, self._pipeline.current(kind, (namespace, name)).value)

    def list(self, kind: Kind, request: ListRequest) -> Listing:
        """A chunk of a list. Its records are in the stored version."""
        return list_objects(self.store, kind, request)

    def watch(
        self, kind: Kind, request: WatchRequest, now: Callable[[], float]
    ) -> AsyncGenerator[Sequence[WatchEvent], None]:
        """Batches of events."""
        return watch(self.store, kind, request, now)

    async def create(self, kind: Kind, namespace: str, body: Body | JSON, call: Call = INTERNAL) -> JSON:
        """A new object."""
        obj = read_object(kind, body if isinstance(body, Body) else Body(body), call)
        created = await self._pipeline.create(kind, namespace, obj, call)
        return await self._definitions.after_write(kind, created, call)

    async def update(
        self, kind: Kind, key: Key, body: Body | JSON, call: Call = INTERNAL, subresource: str = ""
    ) -> JSON:
        """Put the body in place of the object; its resourceVersion, if it has one, must be the current one.

        A few kinds are made where there is none.
        """
        given = body if isinstance(body, Body) else Body(body)
        if is_made_by_updates(kind) and not subresource and self.store.get(kind.stored_resource, key) is None:
            return await self.create(kind, key[0], Body(_named(kind, key, given, call)), call)

        def replaced(old: JSON) -> JSON:
            obj = _named(kind, key, given, call)
            metadata = obj["metadata"]
            check_uid(kind, key[1], metadata.get("uid") or "", old)
            if not metadata.get("resourceVersion") and needs_version(kind):
                error = FieldError.invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise invalid(replace(kind, kind=kind.plural), key[1], [error])
            self._rules.set_defaults(kind, obj)
            now = self._pipeline.clock()
            return managed.track(kind, old, obj, manager=call.manager, now=now, subresource=subresource)

        changed = await self._pipeline.change(kind, key, replaced, call, subresource)
        return await self._definitions.after_write(kind, changed, call)

    async def patch(
        self, kind: Kind, key: Key, content_type: str, body: bytes, call: Call = INTERNAL, subresource: str = ""
    ) -> tuple[JSON, bool]:
        """The object as the patch changes it, and whether an apply patch has created it."""
        if content_type == APPLY_PATCH and self.store.get(kind.stored_resource, key) is None and not subresource:
            return await self._apply_new(kind, key, body, call), True

        def patched(old: JSON) -> JSON:
            result = apply_patch(kind, body, old, self._patch_options(kind, content_type, call, subresource))
            call.warnings.extend(result.warnings)
            return result.value

        changed = await self._pipeline.change(kind, key, patched, call, subresource)
        return await self._definitions.after_write(kind, changed, call), False

    async def delete(
        self, kind: Kind, key: Key, options: DeleteOptions, call: Call = INTERNAL, *, of_many: bool = False
    ) -> tuple[JSON, bool]:
        """Begin or finish a deletion; the object's last state, and whether it is gone."""
        last, gone = await self._deletion.delete(kind, key, options, call, of_many=of_many)
        if not call.dry_run:
            await self._definitions.after_delete(kind, last, gone=gone)
        return last, gone

    async def delete_collection(
        self, kind: Kind, request: ListRequest, options: DeleteOptions, call: Call = INTERNAL
    ) -> Listing:
        """Delete all that the selection shows; those of before."""
        listing = self.list(kind, request)
        for record in listing.records:
            try:
                await self.delete(kind, record.key, options, call, of_many=True)
            except ApiError as error:
                if error.code != 404:
                    raise
        return listing

    async def bind(self, kind: Kind, key: Key, body: Body, call: Call = INTERNAL) -> None:
        """POST of `pods/NAME/binding`."""
        await pods.bind(self._pipeline, kind, key, _read_own(kind, key, "binding", body), call)

    async def evict(self, kind: Kind, key: Key, body: Body, call: Call = INTERNAL) -> None:
        """POST of `pods/NAME/eviction`."""
        eviction = _read_own(kind, key, "eviction", body)
        await pods.evict(self._pipeline, self._deletion, kind, key, eviction, call)

    async def change(self, kind: Kind, key: Key, change: Callable[[JSON], JSON], subresource: str = "") -> JSON:
        """Store what `change` makes of the object: for the server's own parts. It must not modify what it is given."""
        return await self._pipeline.change(kind, key, change, INTERNAL, subresource)

    async def scale(self, kind: Kind, key: Key, wanted: Callable[[JSON], JSON], call: Call = INTERNAL) -> JSON:
        """Let `wanted` say which Scale the object is to have; the Scale that it then has."""

        def scaled(old: JSON) -> JSON:
            new = scale.write(kind, old, wanted(old))
            now = self._pipeline.clock()
            return managed.track(kind, old, new, manager=call.manager, now=now, subresource="scale")

        return scale.read(kind, await self._pipeline.change(kind, key, scaled, call, "scale"))

    async def _apply_new(self, kind: Kind, key: Key, body: bytes, call: Call) -> JSON:
        patched = apply_patch(kind, body, None, self._patch_options(kind, APPLY_PATCH, call, ""))
        call.warnings.extend(patched.warnings)
        obj = patched.value
        if obj.setdefault("metadata", {}).setdefault("name", key[1]) != key[1]:
            raise bad_request(f"metadata.name {obj['metadata']['name']!r} is not the name on the URL, {key[1]!r}")
        # The version an applied object was to be at is no condition on its first one.
        obj["metadata"].pop("resourceVersion", None)
        created = await self._pipeline.create(kind, key[0], obj, call, owned=True)
        return await self._definitions.after_write(kind, created, call)

    def _patch_options(self, kind: Kind, content_type: str, call: Call, subresource: str) -> PatchOptions:
        return PatchOptions(
            content_type=content_type,
            manager=call.manager,
            now=self._pipeline.clock(),
            force=call.force,
            validation=call.validation,
            subresource=subresource,
            defaults=lambda obj: self._rules.set_defaults(kind, obj),
        )


def _named(kind: Kind, key: Key, body: Body, call: Call) -> JSON:
    """The object in the body of a PUT.

    Raises:
        ApiError: it is another than that of the path.
    """
    obj = read_object(kind, body, call)
    metadata = obj.setdefault("metadata", {})
    check_namespace(kind, key[0], metadata)
    if metadata.setdefault("name", key[1]) != key[1]:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({key[1]})")
    return obj


def _read_own(kind: Kind, key: Key, subresource: str, body: Body) -> JSON:
    api_version, _, name = _OWN_BODIES[subresource].rpartition("/")
    value: Any = body.value
    try:
        read = decode_struct(schema_named(api_version, name), value).value
    except DecodeError as error:
        raise bad_request(f"{name} cannot be handled: {error}") from error
    check_namespace(kind, key[0], read.setdefault("metadata", {}))
    return {**read, "apiVersion": api_version, "kind": name}
