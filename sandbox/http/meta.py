"""What is served besides objects: health, version, discovery, OpenAPI, metrics."""

from typing import Final

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from model.meta import JSON
from sandbox import discovery
from sandbox.errors import method_not_allowed, no_such_resource
from sandbox.http import answers
from sandbox.kinds import Kinds
from sandbox.openapi import LEGACY, LEGACY_TYPE, OpenApi, legacy_protobuf

_HEALTH: Final = ("/healthz", "/livez", "/readyz")
_AGGREGATED: Final = "apidiscovery.k8s.io"
VERSION: Final[JSON] = {
    "major": "1",
    "minor": "37",
    "gitVersion": "v1.37.0-lading",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "python",
}
"""The release whose behaviour is reproduced; clients check how far it is from their own."""


class Meta:
    """Answers for paths that are no resources."""

    def __init__(self, kinds: Kinds, registry: CollectorRegistry) -> None:
        self._kinds, self._registry, self._openapi = kinds, registry, OpenApi(kinds)

    @staticmethod
    def is_open(path: str) -> bool:
        """Whether everybody may ask: health only."""
        return path in _HEALTH or path.startswith(tuple(f"{each}/" for each in _HEALTH))

    @staticmethod
    def answer_open(request: web.Request) -> web.Response:
        """The server answers as soon as it can be reached at all: its store is loaded before it listens."""
        name = request.path.split("/")[1]
        text = f"[+]ping ok\n[+]store ok\n{name} check passed\n" if "verbose" in request.query else "ok"
        return web.Response(text=text)

    @staticmethod
    def knows(path: str) -> bool:
        """Whether the path is answered here."""
        parts = [part for part in path.split("/") if part]
        if not parts:
            return True
        match parts[0]:
            case "version" | "metrics" | "openapi":
                return True
            case "api":
                return len(parts) <= 2
            case "apis":
                return len(parts) <= 3
            case _:
                return False

    def answer(self, request: web.Request) -> web.Response:
        """The answer.

        Raises:
            ApiError: 404 for groups and versions that are not served, 405 for anything but GET.
        """
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case []:
                return answers.plain(
                    {"paths": ["/api", "/api/v1", "/apis", "/healthz", "/metrics", "/openapi/v3", "/version"]}
                )
            case ["version"]:
                return answers.plain(VERSION)
            case ["metrics"]:
                return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
            case ["openapi", "v2"]:
                return _legacy_openapi(request)
            case ["openapi", *_]:
                return self._openapi_answer(request, parts)
            case ["api" | "apis"]:
                return self._groups(request, core=parts == ["api"])
            case ["api", version]:
                return self._resources("", version)
            case ["apis", group]:
                return self._group(group)
            case ["apis", group, version]:
                return self._resources(group, version)
            case _:
                raise no_such_resource()

    def _groups(self, request: web.Request, *, core: bool) -> web.Response:
        for alternative in request.headers.get("Accept", "").split(","):
            given = dict(part.strip().split("=", 1) for part in alternative.split(";")[1:] if "=" in part)
            version = given.get("v", "")
            if given.get("g") == _AGGREGATED and version in ("v2", "v2beta1"):
                document = discovery.aggregated(self._kinds, core=core, version=version)
                content = f"application/json;g={_AGGREGATED};v={version};as=APIGroupDiscoveryList"
                return web.Response(body=orjson.dumps(document), headers={"Content-Type": content, "Vary": "Accept"})
        return answers.plain(discovery.api_versions(request.host) if core else discovery.api_groups(self._kinds))

    def _group(self, group: str) -> web.Response:
        return _found(discovery.api_group(self._kinds, group))

    def _resources(self, group: str, version: str) -> web.Response:
        return _found(discovery.api_resources(self._kinds, group, version))

    def _openapi_answer(self, request: web.Request, parts: list[str]) -> web.Response:
        if parts == ["openapi", "v3"]:
            return answers.plain(self._openapi.index())
        found = self._openapi.document("/".join(parts[2:])) if parts[:2] == ["openapi", "v3"] else None
        if found is None:
            raise no_such_resource()
        body, etag = found
        quoted = f'"{etag}"'
        headers = {"ETag": quoted, "Cache-Control": "public, immutable", "Vary": "Accept"}
        if request.headers.get("If-None-Match") == quoted:
            return web.Response(status=304, headers=headers)
        answer = web.Response(body=body, content_type="application/json", headers=headers)
        answer.enable_compression()
        return answer


def _legacy_openapi(request: web.Request) -> web.Response:
    if "protobuf" in request.headers.get("Accept", ""):
        return web.Response(body=legacy_protobuf(), headers={"Content-Type": LEGACY_TYPE, "Vary": "Accept"})
    return answers.plain(LEGACY)


def _found(document: JSON | None) -> web.Response:
    if document is None:
        raise no_such_resource()
    return answers.plain(document)
