"""A disk that is full, and then has room again: `lastword up` goes on by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disks import Disk, can_mount
from tests.integration.system.harness import System


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[System]:
    """Give a system that has everything in its data folder, not started."""
    system = System(tmp_path)
    try:
        yield system
    finally:
        system.destroy()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(not can_mount(), reason="nobody but root may mount")
async def test_a_full_disk_that_has_room_again_is_written_to_again(embedded: System) -> None:
    """Nothing ends for want of room. NATS gives up a stream when a write fails, and is started again then."""
    system = embedded
    with Disk(system.data).open() as disk:
        system.start().await_definitions("add")
        before = system.begin("add", a=40)
        system.await_end(before)
        pids = system.run_file["pids"]
        disk.fill()
        system.kill("auditor")
        while (answer := system.try_begin("add", a=41)).is_success:
            pass  # files have room to the end of their last page
        assert 503 == answer.status_code, answer.text
        system.until(lambda: system.logged("run_file.not_written"), "another auditor", 30)
        assert not system.logged("nats.cannot_write")

        disk.free()

        system.until(lambda: system.run_file["pids"]["nats"] != pids["nats"], "NATS to be started again", 30)
        system.until(lambda: system.try_begin("add", a=42).is_success, "a start to be accepted", 30)
        assert "success" == system.workflow(before)["status"]
        for role in ("keeper", "supervisor", "executor", "edge"):
            assert pids[role] == system.run_file["pids"][role]
        assert pids["auditor"] != system.run_file["pids"]["auditor"]
        system.destroy()
