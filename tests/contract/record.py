"""`python -m tests.contract.record`: ask a real API server what it says of the cases, and keep it."""

import asyncio
import sys
import tempfile
from pathlib import Path

import orjson

from tests.contract.cases import CHANGED, NEW
from tests.contract.servers import ApiServer, Place
from tests.contract.verdicts import RECORDED, verdict
from tests.controlplane.binaries import Binaries
from tests.controlplane.plane import control_plane


async def _nothing() -> None:
    pass


async def _record() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with control_plane(Path(folder), Binaries(say=print)) as plane, plane.client() as session:
            api = ApiServer("kubernetes", session, plane.kubeconfig, _nothing)
            async with session.get("/version") as answer:
                release = (await answer.json())["gitVersion"]
            verdicts = {}
            place = await Place.make(api)
            for number, case in enumerate((*NEW, *CHANGED)):
                verdicts[case.id] = await verdict(place, case, f"c{number}")
    lines = [b"%s: %s" % (orjson.dumps(each), orjson.dumps(said)) for each, said in verdicts.items()]
    content = b'{"release": %s, "verdicts": {\n%s\n}}\n' % (orjson.dumps(release), b",\n".join(lines))
    RECORDED.write_bytes(content)
    sys.stdout.write(f"{len(verdicts)} verdicts of {release} in {RECORDED}\n")


if __name__ == "__main__":
    asyncio.run(_record())
