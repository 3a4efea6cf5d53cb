"""GET of objects and collections."""

from aiohttp import web

from sandbox import scale
from sandbox.api import Api
from sandbox.attributes import User
from sandbox.errors import too_large_version
from sandbox.http import answers
from sandbox.http.target import Query, Target
from sandbox.listing import read_version


async def read_one(api: Api, request: web.Request, target: Target, query: Query, _user: User) -> web.Response:
    """One object, or a subresource of it."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    wanted = read_version(query.text("resourceVersion"))
    if wanted > api.store.version:
        raise too_large_version(wanted, api.store.version)
    obj = api.get(target.kind, target.namespace, target.name)
    if target.subresource == "scale":
        return answers.plain(scale.read(target.kind, obj))
    return answers.one(target.kind, obj, form)


async def read_collection(api: Api, request: web.Request, target: Target, query: Query, _user: User) -> web.Response:
    """A list."""
    form = answers.negotiate(request.headers.get("Accept", ""), query.text("includeObject"))
    return answers.many(target.kind, api.list(target.kind, query.list_request(target)), form)
