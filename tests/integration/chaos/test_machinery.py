"""Disks fill, clocks jump and hosts vanish as they are told to, where the machine allows it."""

import asyncio
import errno
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.clocks import Clock, build, can_jump
from tests.chaos.disks import Disk, can_mount
from tests.chaos.hosts import Host, can_have_hosts

HOUR_S = 3_600
WATCH = """
import sys, time
for _ in sys.stdin:
    time.sleep(0.001)
    print(time.time(), time.monotonic(), flush=True)
"""


@pytest.mark.skipif(not can_mount(), reason="nobody but root may mount")
def test_a_full_disk_takes_nothing_until_it_is_freed(tmp_path: Path) -> None:
    """What was written before stays."""
    with Disk(tmp_path / "disk").open() as disk:
        file = disk.folder / "file"
        file.write_bytes(b"before")
        disk.fill()
        with pytest.raises(OSError, match="space") as refused:
            (disk.folder / "other").write_bytes(bytes(10_000))
        assert errno.ENOSPC == refused.value.errno
        disk.free()
        (disk.folder / "other").write_bytes(bytes(10_000))
        assert b"before" == file.read_bytes()


@pytest.mark.skipif(not can_jump(), reason="there is no compiler")
def test_a_clock_jumps_in_a_process_that_runs(tmp_path: Path) -> None:
    """The time of day does, back and forth; what measures goes on, and so does sleep."""
    clock = Clock(build(tmp_path), tmp_path / "clock")
    with subprocess.Popen(
        [sys.executable, "-c", WATCH],
        env=clock.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as watched:
        assert watched.stdin is not None
        assert watched.stdout is not None
        for ahead_s in (0, HOUR_S, -HOUR_S, 0):
            clock.jump(ahead_s)
            watched.stdin.write("now\n")
            watched.stdin.flush()
            wall_s, measured_s = map(float, watched.stdout.readline().split())
            assert ahead_s == round((wall_s - time.time()) / HOUR_S) * HOUR_S
            assert abs(measured_s - time.monotonic()) < HOUR_S / 2
        watched.stdin.close()


@pytest.mark.skipif(not can_have_hosts(), reason="nobody but root may make networks")
async def test_a_host_that_is_unplugged_says_nothing_until_it_is_plugged_in_again() -> None:
    """Its connections stay open on both sides, and nothing comes over them."""
    async with Host().open() as host:
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                heard.put_nowait(line)
            writer.close()

        server = await asyncio.start_server(accept, host.address, 0)
        port = server.sockets[0].getsockname()[1]
        speaker = await asyncio.create_subprocess_exec(
            *(*host.inside, "bash", "-c", f"exec cat > /dev/tcp/{host.address}/{port}"),
            stdin=asyncio.subprocess.PIPE,
        )
        assert speaker.stdin is not None
        async with server, asyncio.timeout(30):
            speaker.stdin.write(b"one\n")
            assert b"one\n" == await heard.get()
            await host.unplug()
            speaker.stdin.write(b"two\n")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(heard.get(), 0.3)
            await host.plug()
            assert b"two\n" == await heard.get()
            speaker.stdin.close()
            await speaker.wait()
