"""The driver as a process of its own that starts fast: `python -m tests.plugins.csi.hostpath_process FOLDER`."""

import asyncio
import logging
import sys
from pathlib import Path

import structlog

from plugins.csi.hostpath.driver import running
from plugins.csi.hostpath.settings import Settings


async def main(folder: Path) -> None:
    settings = Settings(state=folder / "state", node_id="n1", endpoint=f"unix://{folder}/csi.sock")
    async with running(settings) as socket:
        sys.stdout.write(f"listening unix://{socket}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # nobody reads them
    asyncio.run(main(Path(sys.argv[1])))
