"""kubectl as a person uses it: run with a kubeconfig, in a namespace, with a home of its own."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

DEADLINE_SECONDS = 30.0


@dataclass(frozen=True)
class Kubectl:
    """Runs one binary against one server. Calling it runs a command that has to succeed."""

    binary: Path
    kubeconfig: Path
    home: Path
    namespace: str = "default"
    editor: str = "false"

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What the command prints."""
        code, out, err = await self._run(arguments, stdin)
        assert code == 0, f"kubectl {' '.join(arguments)} failed with {code}: {err or out}"
        return out

    async def fails(self, *arguments: str, stdin: str = "") -> str:
        """What a command that has to fail complains about."""
        code, out, err = await self._run(arguments, stdin)
        assert code != 0, f"kubectl {' '.join(arguments)} should have failed: {out}"
        return err + out

    async def get(self, *arguments: str) -> Any:
        """The object or list that `kubectl get` finds."""
        return orjson.loads(await self("get", *arguments, "-o", "json"))

    def editing(self, script: str) -> "Kubectl":
        """A kubectl whose editor is sed with this script."""
        return replace(self, editor=f"sed -i -e {script}")

    @asynccontextmanager
    async def lines(self, *arguments: str) -> AsyncIterator[asyncio.StreamReader]:
        """The output of a command that goes on until the block ends."""
        process = await self._start(arguments)
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()
            await process.communicate()

    async def _run(self, arguments: tuple[str, ...], stdin: str) -> tuple[int, str, str]:
        process = await self._start(arguments)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                out, err = await process.communicate(stdin.encode())
        except TimeoutError:
            process.kill()
            await process.communicate()
            raise
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def _start(self, arguments: tuple[str, ...]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "KUBECACHEDIR": str(self.home / "cache"),
            "KUBE_EDITOR": self.editor,
        }
        command = (str(self.binary), "--namespace", self.namespace, *arguments)
        return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)


def rows(output: str) -> dict[str, list[str]]:
    """A table's rows by the first column: every cell of a row, by two or more spaces between them."""
    _, *lines = output.splitlines()
    cells = [[cell for cell in line.split("  ") if cell.strip()] for line in lines]
    return {row[0].strip(): [cell.strip() for cell in row] for row in cells if row}


def headings(output: str) -> list[str]:
    """A table's column names."""
    return [name.strip() for name in output.splitlines()[0].split("  ") if name.strip()]
