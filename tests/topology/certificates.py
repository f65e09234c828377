"""Certificates, as `deploy/certificates.sh` makes them."""

import subprocess
from pathlib import Path

from tests.topology.compose import ROOT

__all__ = ["make_certificates"]


def make_certificates(folder: Path, proxy: str, *nodes: str) -> None:
    """Make an authority in the folder, and what it signs for the proxy and the NATS servers."""
    command = [str(ROOT / "deploy" / "certificates.sh"), str(folder), proxy, *nodes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
