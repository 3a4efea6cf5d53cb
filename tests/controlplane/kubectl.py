"""kubectl as a user runs it: a process, its answer, and a deadline."""

import asyncio
import contextlib
import os
from asyncio.subprocess import PIPE
from dataclasses import dataclass
from pathlib import Path

_DEADLINE_SECONDS = 60.0


class KubectlError(Exception):
    """kubectl failed; the message holds what it said."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a kubeconfig; it keeps what it caches in `home` and reads no settings of the user's."""

    path: Path
    kubeconfig: Path
    home: Path

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run it and return its standard output.

        Raises:
            KubectlError: it ended with another status than 0, or not within a minute.
        """
        environ = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home), "KUBERC": "off"}
        process = await asyncio.create_subprocess_exec(
            str(self.path), *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environ
        )
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                output, errors = await process.communicate(stdin.encode())
        except TimeoutError as error:
            raise KubectlError(f"kubectl {' '.join(arguments)}: no answer in {_DEADLINE_SECONDS:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: status {process.returncode}\n{errors.decode()}")
        return output.decode()
