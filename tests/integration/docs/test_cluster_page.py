"""The page about the cluster says what works: its commands, typed one after the other."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system.harness import free_port

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "how-to" / "cluster.md"
START_S = 60.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[None]:
    """Run what `make cluster` runs, with its settings in this test's folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "--folder", str(tmp_path / ".cluster")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout as said:
            assert any("PostgreSQL  postgresql://" in line for line in said)
            yield
    finally:
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(START_S)
    assert [] == list((tmp_path / ".cluster").glob("*.env"))


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("cluster")
def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    """Each role as a user of its own, a workflow to its end, and a back-up that is whole."""
    script = "\n".join(re.findall(r"^```bash\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LASTWORD")}
    with (tmp_path / "typed.log").open("wb") as output:
        typed = subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env={
                **kept,
                "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
                "LASTWORD_HTTP__PORT": str(free_port()),
            },
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        typed.wait(180)
    finally:
        _end(typed.pid)

    said = (tmp_path / "typed.log").read_text("utf-8")
    assert 0 == typed.returncode, said + _logs(tmp_path)
    assert "success" in said
    assert "is whole: the log up to position 3 " in said
    assert (tmp_path / "saved" / "manifest.json").exists()
    assert "permission_denied" not in _logs(tmp_path)


def _logs(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8")[-2000:] for path in folder.glob("*.log"))


def _end(group: int) -> None:
    """End what the page left running in the background."""
    try:
        os.killpg(group, signal.SIGTERM)
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s:
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
