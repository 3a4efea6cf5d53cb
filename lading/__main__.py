"""The entry point of the `lading` command."""

import sys

from lading.cli.app import run
from lading.output import steady_streams


def main() -> None:
    """Run the command line of this process."""
    steady_streams()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
