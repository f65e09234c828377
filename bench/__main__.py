"""`python -m bench [part ...]`: measure, and print the tables of docs/performance.md."""

import argparse
import asyncio
import platform
from collections.abc import Callable, Coroutine
from typing import Final

from bench.cost import cost_table, measure_cost
from bench.fanout import measure_fanout
from bench.figures import lag_table, ratio_table
from bench.floor import open_floor
from bench.polling import measure_polling
from bench.running import running_system
from bench.stages import measure_stages, stage_table
from bench.throughput import measure_throughput
from bench.truth_lag import measure_executor_death, measure_start, measure_truth_lag, open_listener

TITLES: Final = {
    "truth": "Truth lag",
    "fanout": "Fan-out",
    "polling": "Polling",
    "throughput": "Throughput",
    "cost": "Cost at rest",
}


async def truth(count: int, deaths: int) -> None:
    """Print how late the truth is."""
    async with (
        running_system() as running,
        open_listener(running.told["nats"]) as listener,
        open_floor() as floor,
    ):
        bare, rows = await measure_truth_lag(running, listener, floor, count)
        start = await measure_start(running, listener, count)
        stages = await measure_stages(running, listener, min(count, 100))
        death = await measure_executor_death(running, listener, deaths)
    print(lag_table(bare, rows))
    print(f"\n{stage_table(stages)}")
    print(f"\n{start.name}: p50 {start.p50:.1f} ms, p99 {start.p99:.1f} ms, n {start.count}")
    print(f"{death.name}: p50 {death.p50:.0f} ms, max {death.p99:.0f} ms, n {death.count}")


async def fanout(rounds: int) -> None:
    """Print what telling many clients costs."""
    rows, idle = await measure_fanout((200, 1_000, 3_000), rounds)
    print(ratio_table(rows))
    print("\n| | KB per idle connection |\n|---|---|")
    for row in idle:
        print(f"| {row.name} | {row.held:.1f} |")


async def polling(rounds: int) -> None:
    """Print what a GET costs."""
    print(ratio_table(await measure_polling(rounds)))


async def throughput(reports: int, rounds: int) -> None:
    """Print how many statuses a supervisor accepts."""
    print(ratio_table([await measure_throughput(reports, rounds)]))


async def cost(seconds: float, running: int) -> None:
    """Print what the whole system costs at rest."""
    print(cost_table(await measure_cost(seconds, running)))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(TITLES)}; all by default")
    parser.add_argument("--count", type=int, default=200, help="samples of each kind of ending")
    parser.add_argument("--deaths", type=int, default=5, help="executors killed")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each ratio")
    parser.add_argument("--reports", type=int, default=4_000, help="reports of a round of throughput")
    parser.add_argument("--seconds", type=float, default=60, help="over which the cost at rest is taken")
    parser.add_argument("--running", type=int, default=200, help="workflows that run while it is taken")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(TITLES)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(TITLES)}")
    measures: dict[str, Callable[[], Coroutine[None, None, None]]] = {
        "truth": lambda: truth(asked.count, asked.deaths),
        "fanout": lambda: fanout(asked.rounds),
        "polling": lambda: polling(asked.rounds),
        "throughput": lambda: throughput(asked.reports, asked.rounds),
        "cost": lambda: cost(asked.seconds, asked.running),
    }
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}")
    for part in asked.parts or TITLES:
        print(f"\n## {TITLES[part]}\n", flush=True)
        asyncio.run(measures[part]())


if __name__ == "__main__":  # processes of measurements import this module again
    main()
