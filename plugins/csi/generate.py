"""Makes the message modules from the protocol files: `python -m plugins.csi.generate [FOLDER]`, at the project's root.

Needs grpcio-tools, which only development installs. A test holds the modules that are kept to what this makes.
"""

import subprocess
import sys
from pathlib import Path
from typing import Final

PROTOCOLS: Final = ("plugins/csi/csi.proto", "plugins/csi/registration.proto")


def generate(root: Path, into: Path) -> None:
    """Make the modules, at the same places beneath another folder."""
    outputs = (f"--python_out={into}", f"--pyi_out={into}")
    compiler = (sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", *outputs)
    subprocess.run((*compiler, *PROTOCOLS), check=True, cwd=root)  # noqa: S603 - our own interpreter and files


if __name__ == "__main__":
    here = Path(__file__).parents[2]
    generate(here, Path(sys.argv[1]) if len(sys.argv) > 1 else here)
