"""POST, PUT, PATCH and DELETE."""

from dataclasses import replace
from typing import Final

from aiohttp import web

from model.meta import JSON
from sandbox import scale
from sandbox.api import Api
from sandbox.attributes import Call, User
from sandbox.bodies import Body, parse
from sandbox.deletion import DeleteOptions
from sandbox.errors import ApiError, FieldError, bad_request, invalid, method_not_allowed, not_found, success
from sandbox.http import answers
from sandbox.http.target import PATCH_OPTIONS, Query, Target, check_dry_run
from sandbox.patch import APPLY_PATCH
from serving.http import read_body

_SHOWN_WHEN_DELETED: Final = frozenset(
    {
        "csidrivers.storage.k8s.io",
        "csinodes.storage.k8s.io",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "serviceaccounts",
        "services",
        "storageclasses.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "volumeattributesclasses.storage.k8s.io",
    }
)
"""Resources whose deletion is answered with the object; the others with a Status."""


async def create(api: Api, request: web.Request, target: Target, query: Query, user: User) -> web.Response:
    """A new object, or a POST to a subresource."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    call = query.call(user)
    body = await _body(request)
    key = (target.namespace, target.name)
    match target.subresource:
        case "":
            return await _create(api, target, body, call, form)
        case "binding":
            await api.bind(target.kind, key, body, call)
        case "eviction":
            await api.evict(target.kind, key, body, call)
        case _:
            raise method_not_allowed()
    return answers.plain({**success(), "code": 201}, 201, call)


async def update(api: Api, request: web.Request, target: Target, query: Query, user: User) -> web.Response:
    """The body in place of the object."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    call = query.call(user)
    body = await _body(request)
    key = (target.namespace, target.name)
    if target.subresource == "scale":
        return answers.plain(await api.scale(target.kind, key, lambda _: _scale(body), call), 200, call)
    is_new = api.store.get(target.kind.stored_resource, key) is None
    obj = await api.update(target.kind, key, body, call, target.subresource)
    return answers.one(target.kind, obj, form, 201 if is_new else 200, call)


async def patch(api: Api, request: web.Request, target: Target, query: Query, user: User) -> web.Response:
    """A patch of any type."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    call = query.call(user)
    if request.content_type == APPLY_PATCH and not query.text("fieldManager"):
        raise invalid(PATCH_OPTIONS, "", [FieldError.required("fieldManager", "is required for apply patch")])
    if request.content_type != APPLY_PATCH and call.force:
        raise invalid(PATCH_OPTIONS, "", [FieldError.forbidden("force", "may not be specified for non-apply patch")])
    content = await read_body(request)
    key = (target.namespace, target.name)
    if target.subresource == "scale":

        def patched(old: JSON) -> JSON:
            return scale.patched(target.kind, old, request.content_type, content)

        return answers.plain(await api.scale(target.kind, key, patched, call), 200, call)
    obj, created = await api.patch(target.kind, key, request.content_type, content, call, target.subresource)
    return answers.one(target.kind, obj, form, 201 if created else 200, call)


async def delete(api: Api, request: web.Request, target: Target, query: Query, user: User) -> web.Response:
    """The deletion of one object."""
    if target.subresource:
        raise method_not_allowed()
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    call = query.call(user)
    options, call = await _delete_options(request, query, call)
    last, gone = await api.delete(target.kind, (target.namespace, target.name), options, call)
    if gone and target.kind.stored_resource not in _SHOWN_WHEN_DELETED:
        return answers.plain(success(_deleted(target, last)), 200, call)
    return answers.one(target.kind, last, form, 200, call)


async def delete_collection(api: Api, request: web.Request, target: Target, query: Query, user: User) -> web.Response:
    """The deletion of all that a list shows."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    options, call = await _delete_options(request, query, query.call(user))
    listing = await api.delete_collection(target.kind, query.list_request(target), options, call)
    return answers.many(target.kind, listing, form)


async def _create(api: Api, target: Target, body: Body, call: Call, form: answers.Form) -> web.Response:
    kind = target.kind
    if kind.stored_resource == "bindings":
        return await _legacy_binding(api, target, body, call)
    try:
        obj = await api.create(kind, target.namespace, body, call)
    except ApiError as error:
        # A name made up by the server that happens to be taken is the server's to make anew.
        if error.reason != "AlreadyExists" or not _generates(body):
            raise
        obj = await api.create(kind, target.namespace, body, call)
    return answers.one(kind, obj, form, 201, call)


async def _legacy_binding(api: Api, target: Target, body: Body, call: Call) -> web.Response:
    pods = api.kind("v1", "Pod")
    metadata = body.value.get("metadata") if isinstance(body.value, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise not_found(pods, "")
    await api.bind(pods, (target.namespace, name), body, call)
    return answers.plain({**success(), "code": 201}, 201, call)


async def _delete_options(request: web.Request, query: Query, call: Call) -> tuple[DeleteOptions, Call]:
    """From the body, or the query where there is none."""
    content = await read_body(request)
    value: JSON = {}
    if content:
        value = parse(content, request.content_type).value or {}
        if not isinstance(value, dict):
            raise bad_request("the body is not a DeleteOptions object")
    if (seconds := query.number("gracePeriodSeconds")) is not None:
        value.setdefault("gracePeriodSeconds", seconds)
    if policy := query.text("propagationPolicy"):
        value.setdefault("propagationPolicy", policy)
    options = DeleteOptions.read(value)
    if dry_run := [each for each in value.get("dryRun") or () if each]:
        check_dry_run(dry_run, "DeleteOptions")
        call = replace(call, dry_run=True)
    return options, call


async def _body(request: web.Request) -> Body:
    return parse(await read_body(request), request.content_type)


def _scale(body: Body) -> JSON:
    if not isinstance(body.value, dict):
        raise bad_request("the body is not a Scale object")
    return body.value


def _generates(body: Body) -> bool:
    metadata = body.value.get("metadata") if isinstance(body.value, dict) else None
    return isinstance(metadata, dict) and bool(metadata.get("generateName")) and not metadata.get("name")


def _deleted(target: Target, last: JSON) -> JSON:
    details = {
        "name": target.name,
        "group": target.kind.group,
        "kind": target.kind.plural,
        "uid": last["metadata"]["uid"],
    }
    return {key: value for key, value in details.items() if value}
