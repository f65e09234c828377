"""Hosts that vanish: where root allows, an executor has a network of its own, and a cable that can be pulled.

The network namespace is held by a process that sleeps, and is gone with it: nothing is left of a campaign
that was killed.  The cable is a pair of virtual interfaces.  With it down, packets go nowhere and nobody is
told: so a real host vanishes, and no proxy that ends connections can play that.
"""

import asyncio
import itertools
import os
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from lastword.wiring.process import die_with_parent

__all__ = ["Host", "can_have_hosts"]

_numbers = itertools.count()
NETWORKS: Final = (
    1 << 15
)  # of four addresses each, in 198.18.0.0/15, which is kept for such trials (RFC 2544)


def can_have_hosts() -> bool:
    """Whether networks may be made here."""
    if os.geteuid() != 0 or not all(shutil.which(name) for name in ("ip", "nsenter", "unshare")):
        return False
    return (
        subprocess.run(["unshare", "--net", "ip", "link"], check=False, capture_output=True).returncode == 0
    )


class Host:
    """A network with one cable, to the machine."""

    def __init__(self) -> None:
        network = (os.getpid() * 2 + next(_numbers)) % NETWORKS
        self.address = f"198.{18 + (network >> 14)}.{network >> 6 & 255}.{(network & 63) * 4 + 1}"
        """The machine's, at its end of the cable."""
        self._own = f"{self.address.rpartition('.')[0]}.{(network & 63) * 4 + 2}"
        self._cable = f"lwc{network:x}"
        self._holder = 0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator["Host", None]:
        """Exist until the block is left."""
        holder = await asyncio.create_subprocess_exec(
            *("unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            preexec_fn=die_with_parent,  # it only makes one system call
        )
        try:
            assert holder.stdout is not None
            assert await holder.stdout.readline() == b"ready\n"
            self._holder = holder.pid
            await _run(
                "ip", "link", "add", self._cable, "type", "veth", "peer", "eth0", "netns", str(holder.pid)
            )
            await _run("ip", "address", "add", f"{self.address}/30", "dev", self._cable)
            await self.plug()
            await _run(*self.inside, "ip", "address", "add", f"{self._own}/30", "dev", "eth0")
            for interface in ("lo", "eth0"):
                await _run(*self.inside, "ip", "link", "set", interface, "up")
            yield self
        finally:
            holder.kill()
            await holder.wait()

    @property
    def inside(self) -> tuple[str, ...]:
        """What goes before a command that runs on the host; the process stays the same."""
        return "nsenter", f"--net=/proc/{self._holder}/ns/net", "--"

    async def plug(self) -> None:
        """Be on the network."""
        await _run("ip", "link", "set", self._cable, "up")

    async def unplug(self) -> None:
        """Vanish from it."""
        await _run("ip", "link", "set", self._cable, "down")


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
