"""Traces cost nothing where nobody asked for them."""

import subprocess
import sys

PROGRAM = """
import sys
import lastword.actors.executor, lastword.actors.supervisor, lastword.wiring.edge
from lastword.telemetry.traces import configure_traces
configure_traces("edge", "1", {})()
print(*[name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
"""


def test_nothing_of_opentelemetry_is_imported() -> None:
    """Not even where it is installed, as it is with CrewAI."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "" == done.stdout.strip()
