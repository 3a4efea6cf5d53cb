"""The floor of binding: four writes a claim, 32 under way, and nothing else that a binder does.

`python -m bench.bare_writes URL CA TOKEN NAMESPACE` binds the claims of a namespace to the volumes that are named after
it, number by number; nothing is guarded, compared, followed or read again.
"""

import asyncio
import os
import ssl
import sys
from typing import Any, Final

import aiohttp
import orjson

AT_ONCE: Final = 32
STRATEGIC: Final = {"Content-Type": "application/strategic-merge-patch+json"}
"""What costs the API server least, and what the binder writes."""
VOLUMES: Final = "/api/v1/persistentvolumes"


async def main(url: str, ca: str, token: str, namespace: str) -> None:
    """Bind them all; then wait to be ended, so that nothing of the end is measured."""
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca), limit=AT_ONCE)
    headers = {"Authorization": f"Bearer {token}"}
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        async with session.get(claims, raise_for_status=True) as answer:
            found = (await answer.json())["items"]
        print(f"pid {os.getpid()}", flush=True)
        few = asyncio.Semaphore(AT_ONCE)

        async def bounded(claim: dict[str, Any]) -> None:
            async with few:
                await _bind(session, claims, claim)

        await asyncio.gather(*map(bounded, found))
        await asyncio.Event().wait()


async def _bind(session: aiohttp.ClientSession, claims: str, claim: dict[str, Any]) -> None:
    metadata = claim["metadata"]
    volume = f"{metadata['namespace']}-{metadata['name'].rpartition('-')[2]}"
    same = {key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")}
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **same}
    marked = {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}}
    done = {"annotations": {**marked["annotations"], "pv.kubernetes.io/bind-completed": "yes"}}
    capacity = claim["spec"]["resources"]["requests"]
    status = {"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": capacity}
    for path, change in (
        (f"{VOLUMES}/{volume}", {"metadata": marked, "spec": {"claimRef": reference}}),
        (f"{VOLUMES}/{volume}/status", {"status": {"phase": "Bound"}}),
        (f"{claims}/{metadata['name']}", {"metadata": done, "spec": {"volumeName": volume}}),
        (f"{claims}/{metadata['name']}/status", {"status": status}),
    ):
        body = orjson.dumps(change)
        async with session.patch(path, data=body, headers=STRATEGIC, raise_for_status=True) as answer:
            await answer.read()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
