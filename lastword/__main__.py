"""`python -m lastword`, and the `lastword` command: the one place that reads the environment."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from lastword.cli import invoke

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(invoke(sys.argv[1:], os.environ, Path.cwd()))


if __name__ == "__main__":
    main()
