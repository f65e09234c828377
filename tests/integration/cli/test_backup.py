"""`lastword backup` and `lastword restore` as they are typed, with everything embedded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system.harness import System

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def first(tmp_path: Path) -> Iterator[System]:
    """Give a system, not started."""
    system = System(tmp_path / "first")
    try:
        yield system
    finally:
        system.destroy()


@pytest.fixture
def second(tmp_path: Path) -> Iterator[System]:
    """Give another."""
    system = System(tmp_path / "second")
    try:
        yield system
    finally:
        system.destroy()


def test_a_laptop_is_saved_and_restored(first: System, second: System, tmp_path: Path) -> None:
    """While it runs and while it does not; what comes back is listed, and work goes on."""
    saved = str(tmp_path / "saved")
    nothing = first.cli("backup", saved, limit_s=120.0)
    assert (2, True) == (nothing.returncode, "there is nothing to back up" in nothing.stderr)
    first.start().await_definitions("add")
    ended = first.await_end(first.begin("add", a=40))
    while_it_runs = first.cli("backup", saved, limit_s=120.0)
    assert 0 == while_it_runs.returncode, while_it_runs.stderr
    assert while_it_runs.stdout.startswith("saved the log up to position 3 ")
    assert 0 == first.stop()
    while_it_rests = first.cli("backup", f"{saved}-later", limit_s=120.0)
    assert 0 == while_it_rests.returncode, while_it_rests.stderr

    whole = second.cli("restore", saved, "--check", limit_s=120.0)
    assert (0, True) == (whole.returncode, whole.stdout.startswith("is whole: the log up to position 3 "))
    restored = second.cli("restore", saved, limit_s=120.0)
    assert 0 == restored.returncode, restored.stderr
    assert restored.stdout.startswith("restored: the log up to position 3 ")
    again = second.cli("restore", saved, limit_s=120.0)
    assert (2, True) == (again.returncode, "this NATS account is in use" in again.stderr)
    assert "Traceback" not in again.stderr

    second.start().await_definitions("add")
    assert ended == second.workflow(ended["id"])
    assert [ended["id"]] == [item["id"] for item in second.get("/workflows").json()["items"]]
    assert "success" == second.await_end(second.begin("add", a=1))["status"]
    assert [] == second.logged("bus.permission_denied")
