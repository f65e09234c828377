"""`python -m tools.site build`: build/docs/site, or what is wrong with it.  `serve`: the same, kept fresh.

`links` lists the links of the built site that lead elsewhere.  Nothing here asks another server.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.site.links import elsewhere, faults
from tools.site.pages import FILES, HERE, ROOT, lay_out

__all__ = ["build", "main"]

FOLDER: Final = ROOT / "build" / "docs"
MAKER: Final = ROOT / ".venv" / "docs" / "bin" / "zensical"
COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


def build(folder: Path = FOLDER) -> list[str]:
    """Build the site; return what is wrong with it."""
    lay_out(folder)
    made = subprocess.run(  # noqa: S603  a fixed command
        [MAKER, "build", "--clean", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if made.returncode:
        said = COLOURS.sub("", made.stdout + made.stderr)
        return [said.partition("Traceback")[0].rstrip()]  # what follows says that it was told to be strict
    return sorted(set(faults(folder / "site")))


def serve(folder: Path = FOLDER, *, address: str) -> int:
    """Serve the site on `address`, laid out again whenever a page changes, until Ctrl-C."""
    lay_out(folder)
    seen = _newest()
    command = [str(MAKER), "serve", "--dev-addr", address]
    with subprocess.Popen(command, cwd=folder) as maker:  # noqa: S603  a fixed command
        try:
            while maker.poll() is None:
                time.sleep(0.5)
                if seen != (seen := _newest()):
                    lay_out(folder)
        except KeyboardInterrupt:
            maker.terminate()
        return maker.wait()


def _newest() -> float:
    """Return when a source was last written."""
    return max(path.stat().st_mtime for path in _sources())


def _sources() -> Iterator[Path]:
    yield from (ROOT / "README.md", ROOT / "CHANGELOG.md", *FILES.values())
    yield from (ROOT / "docs").rglob("*")
    yield from HERE.rglob("*")


def main(arguments: list[str] | None = None) -> int:
    """Build, serve, or list the links that lead elsewhere; return the exit code."""
    parser = argparse.ArgumentParser(description="The documentation as a site.")
    parser.add_argument("what", choices=("build", "serve", "links"))
    parser.add_argument("--address", default="127.0.0.1:8000", help="where to serve it")
    options = parser.parse_args(arguments)
    if options.what == "serve":
        return serve(address=options.address)
    if options.what == "links":
        for link, pages in elsewhere(FOLDER / "site").items():
            print(f"{link}\t{', '.join(pages)}")
        return 0
    wrong = build()
    for fault in wrong:
        print(fault, file=sys.stderr)
    if not wrong:
        count = len(elsewhere(FOLDER / "site"))
        print(f"{FOLDER.relative_to(ROOT)}/site/index.html; {count} links lead elsewhere and were not asked")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
