"""Play a campaign, judge it, and print its table: `python -m tests.chaos --help`."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import cast

import click
import msgspec

from tests.chaos.bounds import render_bounds
from tests.chaos.campaign import play
from tests.chaos.checker import check
from tests.chaos.deployment import Backend
from tests.chaos.history import History
from tests.chaos.plan import CALM
from tests.chaos.table import render


@click.command()
@click.option("--seed", default=1, show_default=True, help="What happens, and when, follows from it.")
@click.option("--minutes", default=5.0, show_default=True, help="How long faults strike.")
@click.option("--backend", type=click.Choice(["single", "cluster"]), default="single", show_default=True)
@click.option("--calm", is_flag=True, help="One fault at a time, of those with a bound.")
@click.option("--judge", type=click.Path(path_type=Path), help="Judge the history of an earlier campaign.")
def main(seed: int, minutes: float, backend: str, *, calm: bool, judge: Path | None) -> None:
    """Strike a whole lastword, and tell what became of its promises."""
    began_s = time.monotonic()
    if judge is not None:
        history = msgspec.json.decode(judge.read_bytes(), type=History)
    else:
        folder = Path(tempfile.mkdtemp(prefix=f"lastword-chaos-{seed}-"))
        pace = CALM if calm else None
        history = asyncio.run(
            play(cast("Backend", backend), folder, seed=seed, lasts_s=60 * minutes, pace=pace)
        )
        (folder / "history.json").write_bytes(msgspec.json.encode(history))
        print(f"Logs and history: {folder}")
    violations = check(history)
    workflows = len({record.workflow for record in history.log})
    played = "Judged again" if judge is not None else f"{backend}, seed {seed}"
    print(f"\n{played}: {workflows} workflows, {len(history.faults)} faults,")
    print(f"{len(history.clients)} clients, {time.monotonic() - began_s:.0f} s.\n")
    print(render(history))
    print(f"\n{render_bounds(history)}")
    print(f"\n{len(violations)} violations")
    for violation in violations:
        print(f"  {violation}")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
