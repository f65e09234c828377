"""`make model`: check every scenario, hunt every planted fault, and print both into the docs.

It fails where an invariant breaks, or where a fault is not found by the invariant that should find it.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tests.model.scenarios import INVARIANTS, MUTANTS, SCENARIOS, Scenario
from tests.model.spin import Found, SpinUnavailable, check, ensure_spin, hunt

__all__ = ["main"]

T = TypeVar("T")

PAGE: Final = Path(__file__).parents[2] / "docs" / "explanation" / "model.md"
BEGIN: Final = "<!-- printed by make model: begin -->"
END: Final = "<!-- printed by make model: end -->"


def main() -> int:
    """Write the tables; return 1 where something is not as it must be."""
    failures: list[str] = []
    try:
        ensure_spin()
        lines = [*_scenarios(failures), "", *_mutants(failures)]
    except SpinUnavailable as why:
        print(why, file=sys.stderr)
        return 1
    for failure in failures:
        print(failure, file=sys.stderr)
    if not failures:
        head, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{chr(10).join(lines)}\n{END}{rest.partition(END)[2]}", "utf-8")
    return 1 if failures else 0


def _scenarios(failures: list[str]) -> Iterator[str]:
    yield "| scenario | what can happen | bounds | looks for | states | seconds |"
    yield "|---|---|---|---|--:|--:|"
    for scenario, found in _at_once(check, SCENARIOS):
        if found.broken is not None:
            failures.append(f"{scenario.name}: broken: {INVARIANTS[found.broken]}\n{found.trail}")
        kind = "what hangs" if scenario.is_fair else "what breaks"
        name = scenario.name if scenario.is_long else f"**{scenario.name}**"
        yield _row(name, scenario.says, _bounds(scenario), kind, f"{found.states:,}", f"{found.seconds:.1f}")


def _at_once(search: Callable[[T, Path], Found], what: Iterable[T]) -> Iterator[tuple[T, Found]]:
    """Search on every core; yield in order."""

    def alone(one: T) -> tuple[T, Found]:
        with tempfile.TemporaryDirectory() as folder:
            return one, search(one, Path(folder))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield from threads.map(alone, what)


def _bounds(scenario: Scenario) -> str:
    told = {
        "EXECUTORS": "executors",
        "CRASHES": "deaths",
        "CUTS": "cuts",
        "OUTAGES": "outages",
        "LIMIT": "others",
    }
    bounds = dict(scenario.bounds)
    return ", ".join(f"{word} {bounds[name]}" for name, word in told.items() if bounds.get(name)) or "none"


def _mutants(failures: list[str]) -> Iterator[str]:
    yield "| planted fault | in | found by | states | seconds |"
    yield "|---|---|---|--:|--:|"
    for mutant, found in _at_once(hunt, MUTANTS):
        if found.broken != mutant.killed_by:
            failures.append(f"{mutant.macro}: {_told(found)}, expected: {INVARIANTS[mutant.killed_by]}")
        says = f"{mutant.says} (`{mutant.macro}`)"
        yield _row(says, f"`{mutant.file}.pml`", _told(found), f"{found.states:,}", f"{found.seconds:.1f}")


def _told(found: Found) -> str:
    return "nothing" if found.broken is None else INVARIANTS[found.broken]


def _row(*cells: str) -> str:
    print(" | ".join(cells), flush=True)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
