"""The table of the ordeals."""

from typing import Final

from tests.overload.memory import ROLES
from tests.overload.stage import Outcome

__all__ = ["HEAD", "RULE", "row"]

HEAD: Final = f"| ordeal | what came of it | took | {' | '.join(ROLES)} | plain start to end, after |"
RULE: Final = f"|---|---|---|{'---|' * len(ROLES)}---|"


def row(outcome: Outcome) -> str:
    """Return one ordeal's row: each process's peak, of what it may hold, and what it holds afterwards."""
    held = (
        f"{outcome.peak[role]:.0f} of {outcome.allowed[role]:.0f}, then {outcome.after[role]:.0f}"
        for role in ROLES
    )
    return (
        f"| {outcome.name} | {outcome.told} | {outcome.took_s:.0f} s | {' | '.join(held)} "
        f"| {1000 * outcome.plain_s:.0f} ms |"
    )
