"""`python -m bench`: measure, and print tables for docs/performance.md."""

import argparse
import asyncio
import platform

from bench.figures import table
from bench.floor import open_floor
from bench.running import running_system
from bench.truth_lag import measure_executor_death, measure_start, measure_truth_lag, open_listener


async def _truth(count: int, deaths: int) -> None:
    async with (
        running_system() as running,
        open_listener(running.told["nats"]) as listener,
        open_floor() as floor,
    ):
        bare, rows = await measure_truth_lag(running, listener, floor, count)
        start = await measure_start(running, listener, count)
        death = await measure_executor_death(running, listener, deaths)
    print(f"Truth lag, process end → plain NATS subscriber; Python {platform.python_version()}\n")
    print(table(bare, rows))
    print(f"\n{start.name}: p50 {start.p50:.1f} ms, p99 {start.p99:.1f} ms, n {start.count}")
    print(f"{death.name}: p50 {death.p50:.0f} ms, max {death.p99:.0f} ms, n {death.count}")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="samples of each kind")
    parser.add_argument("--deaths", type=int, default=5, help="executors killed")
    options = parser.parse_args()
    asyncio.run(_truth(options.count, options.deaths))


main()
