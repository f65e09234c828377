"""Audit what lastword depends on: pins and licences offline, then known vulnerabilities where one can ask.

`python -m tools.audit` ends with 0 where all is well, 1 where something was found, and 2 where nothing was
found but nobody could be asked about vulnerabilities, which is no pass.  `--offline` leaves that part out.
"""

import argparse
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

from packaging.utils import canonicalize_name

from tools.locks import NODE_LOCK, PYTHON_LOCK, PYTHON_LOCKS, ROOT, Locked, node_packages, python_packages

__all__ = ["main", "unfit_licences", "unpinned"]

FOUND, NOT_ASKED = 1, 2
ASK_S: Final = 300.0
TAKEN: Final = re.compile(
    r"(?i)\b(MIT(-0|-CMU)?|MIT License|Apache|BSD|0BSD|ISC|PSF|Python Software Foundation|Unlicense|Zlib|CC0|"
    r"BlueOak|OFL|HPND|MPL|Mozilla Public License|Public Domain|WTFPL|The Unlicense)\b"
)
"""Licences under which lastword can be passed on without more than naming them; MPL binds its own files."""
KNOWN: Final = {
    "cel-python": "Apache-2.0",  # its LICENSE file
    "crewai": "MIT",  # its README
    "crewai-cli": "MIT",  # of crewai's repository
    "crewai-core": "MIT",  # as crewai-cli
}
"""Licences of packages whose metadata does not tell, looked up by hand."""
UNREACHABLE: Final = (
    "ConnectionError",
    "Connection refused",
    "Name or service not known",
    "Max retries",
    "Temporary failure",
    "getaddrinfo",
    "ENOTFOUND",
    "ECONNREFUSED",
    "ENOAUDIT",
    "audit endpoint",
    "ServiceError",
    "could not be audited",
    "timed out",
    "HTTPError",
    "404",
    "403",
)
"""What the tools say where the index of advisories does not answer."""


def unpinned() -> Iterator[str]:
    """Yield what is wrong with the lock files: a package without an exact version or a digest."""
    for path in PYTHON_LOCKS:
        for package in python_packages(path):
            if not package.hashes:
                yield f"{path.name}: {package.name} {package.version} has no digest"
    for package in node_packages(with_tools=True):
        if not any(digest.startswith("sha512-") for digest in package.hashes):
            yield f"{NODE_LOCK.name}: {package.name} {package.version} has no digest"


def unfit_licences() -> Iterator[str]:
    """Yield the packages that are shipped or needed under licences that nobody has agreed to."""
    for package in python_packages():
        try:
            licence = _licence_of(package)
        except importlib.metadata.PackageNotFoundError:  # for another platform
            continue
        if not TAKEN.search(licence):
            yield f"{PYTHON_LOCK.name}: {package.name} {package.version}: {licence or 'no licence'}"
    for package in node_packages():
        if not TAKEN.search(package.licence or ""):
            yield f"{NODE_LOCK.name}: {package.name} {package.version}: {package.licence or 'no licence'}"


def _licence_of(package: Locked) -> str:
    """Return what the installed package says of its licence: by the newest way of saying so, or an older."""
    name = canonicalize_name(package.name)
    if name in KNOWN:
        return KNOWN[name]
    metadata: Any = importlib.metadata.metadata(name)
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in metadata.get_all("Classifier") or ()
        if line.startswith("License ::")
    ]
    return "; ".join(classifiers) or (metadata.get("License") or "").strip()[:200]


def _ask() -> int:
    """Ask about known vulnerabilities; tell clearly where nobody answers."""
    python = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    python += ["--strict", "--requirement", str(PYTHON_LOCK)]  # without `--strict`, what is skipped passes
    node = ["npm", "audit", "--omit=dev", "--package-lock-only"]
    results = [
        _ask_one("Python packages", python, "."),
        _ask_one("Node packages", node, "frontend"),
    ]
    return FOUND if FOUND in results else max(results)


def _ask_one(what: str, command: list[str], folder: str) -> int:
    try:
        done = subprocess.run(  # noqa: S603  fixed commands
            command, cwd=ROOT / folder, capture_output=True, text=True, timeout=ASK_S, check=False
        )
        said, code = done.stdout + done.stderr, done.returncode
    except (OSError, subprocess.TimeoutExpired) as error:
        said, code = f"timed out: {error}", 1
    if code == 0:
        print(f"{what}: no known vulnerability")
        return 0
    if any(sign in said for sign in UNREACHABLE):
        last = said.strip().splitlines()[-1][:200] if said.strip() else "no answer"
        print(f"{what}: NOT CHECKED, since no index of advisories could be reached from here ({last})")
        return NOT_ASKED
    print(f"{what}:\n{said}")
    return FOUND


def _report(what: str, found: Iterable[str]) -> int:
    lines = list(found)
    print(f"{what}: {'all is well' if not lines else ''}")
    for line in lines:
        print(f"  {line}")
    return FOUND if lines else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; return the exit code."""
    parser = argparse.ArgumentParser(description="Audit what lastword depends on.")
    parser.add_argument("--offline", action="store_true", help="check pins and licences alone")
    options = parser.parse_args(arguments)
    code = _report("Pins", unpinned()) | _report("Licences", unfit_licences())
    if code or options.offline:
        return code
    return _ask()


if __name__ == "__main__":
    sys.exit(main())
