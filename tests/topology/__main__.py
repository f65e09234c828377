"""`make topology`: the topology of `compose.yaml` on this machine, until Ctrl-C."""

import argparse
import asyncio
import signal
import time
from contextlib import suppress

from tests.topology.compose import PLAIN, WITH_TLS
from tests.topology.topology import Topology, open_topology


def main() -> None:
    """Run it, and tell where everything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.topology", description=__doc__)
    parser.add_argument("--tls", action="store_true", help="with compose.tls.yaml")
    options = parser.parse_args()
    asyncio.run(_run(WITH_TLS if options.tls else PLAIN))


async def _run(files: tuple[str, ...]) -> None:
    running = asyncio.current_task()
    assert running is not None
    for sent in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sent, running.cancel)
    began_s = time.monotonic()
    print("starting what compose.yaml describes ...", flush=True)
    with suppress(asyncio.CancelledError):
        async with open_topology(files) as topology:
            print(f"it works, after {time.monotonic() - began_s:.0f} s\n")
            _tell(topology)
            await asyncio.Event().wait()
    print("all of it has ended", flush=True)


def _tell(topology: Topology) -> None:
    print(f"  the app and the API   {topology.url('proxy')}")
    print(f"  an operator's token   {topology.token('operator')}")
    print(f"  a viewer's token      {topology.token('viewer')}")
    if "prometheus" in topology.compose.services:
        print(f"  Prometheus            {topology.url('prometheus')}")
    print(f"  logs, one folder each {topology.folder}\n")
    for name, container in topology.containers.items():
        print(f"  {name:<14} pid {container.pid or '-'}")
    print("\nTry: kill one of them, and see. Ctrl-C ends it all.", flush=True)


if __name__ == "__main__":
    main()
