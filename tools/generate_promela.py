"""Prints the table of moves for the model in Promela: the model cannot have another table than the code."""

from pathlib import Path
from typing import Final

from lastword.contracts.events import Lost, QueueTimedOut
from lastword.contracts.moves import EVENTS, MOVES, Moves
from lastword.contracts.statuses import LIVE, RANK, TERMINAL, Status

__all__ = ["TARGET", "render"]

TARGET: Final = Path(__file__).parent.parent / "tests" / "model" / "promela" / "moves.pml"

VERDICTS: Final = (Lost, QueueTimedOut)
HEAD: Final = """\
/* Printed from lastword.contracts.moves by `make generate`; to change it, change the table there.
 *
 * Statuses and kinds of events are numbers from 1; 0 is no record yet, and no move.
 */
"""


def render(moves: Moves = MOVES) -> str:
    """Return the statuses, the events and the table as macros."""
    cells = [
        (f"(s) == {status.name if status else 0} && (e) == {kind.__name__}", moves[status][kind].name)
        for status in (None, *Status)
        for kind in EVENTS
        if kind in moves[status]
    ]
    ranks = [(f"(s) == {status.name}", str(RANK[status] + 1)) for status in Status]
    with_lease = [kind.__name__ for kind in EVENTS if "lease" in kind.__struct_fields__]
    return "\n".join(
        [
            HEAD,
            *(f"#define {status.name} {number}" for number, status in enumerate(Status, start=1)),
            "",
            *(f"#define {kind.__name__} {number}" for number, kind in enumerate(EVENTS, start=1)),
            "",
            f"#define NEXT(s, e) {_choice(cells)}",
            f"#define RANK(s) {_choice(ranks)}",
            f"#define LIVE(s) {_any('s', [status.name for status in Status if status in LIVE])}",
            f"#define TERMINAL(s) {_any('s', [status.name for status in Status if status in TERMINAL])}",
            f"#define SPEAKS_OF_LEASE(e) {_any('e', with_lease)}",
            f"#define IS_VERDICT(e) {_any('e', [kind.__name__ for kind in VERDICTS])}",
            "",
        ]
    )


def _choice(cells: list[tuple[str, str]]) -> str:
    """Return Promela's conditional expressions, one in the other; 0 where none holds."""
    text = "0"
    for condition, value in reversed(cells):
        text = f"(({condition}) -> {value} : \\\n  {text})"
    return text


def _any(name: str, values: list[str]) -> str:
    return "(" + " || ".join(f"({name}) == {value}" for value in values) + ")"
