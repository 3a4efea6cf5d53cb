"""A sandbox with a data folder in a process of its own, which tests kill: `python -m tests.sandbox.durable_server DIR`.

It writes its kubeconfig to `DIR.kubeconfig` and one line `ready` to its output. A second argument limits how large a
file it may write, in bytes.
"""

import asyncio
import resource
import signal
import sys
from pathlib import Path

from sandbox.durable import DataInUseError
from sandbox.server import SandboxSettings, run


def _ready(_: str) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


async def _main(data: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(SandboxSettings(data=data, run_pods=False), data.with_suffix(".kubeconfig"), stop, _ready)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        # Writes beyond it then fail with EFBIG, as on a full disk they do with ENOSPC.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    try:
        asyncio.run(_main(Path(sys.argv[1])))
    except DataInUseError as error:
        sys.exit(str(error))
