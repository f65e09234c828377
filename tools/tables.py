"""The tables and diagrams that are printed into pages which people write."""

import ast
import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeVar

from msgspec.structs import fields

from lastword.contracts.frames import Frame
from lastword.contracts.moves import EVENTS, MOVES, Moves, Refusal
from lastword.contracts.statuses import RANK, ErrorCode, Status
from lastword.contracts.traffic import TRAFFIC
from lastword.http.asyncapi import CODES as CLOSE_CODES
from lastword.http.problems import CODES as PROBLEM_CODES
from tools.shapes import cell

__all__ = [
    "close_codes",
    "diagram",
    "error_codes",
    "frames",
    "problems",
    "ratchet",
    "refusals",
    "statuses",
    "subjects",
]

E = TypeVar("E", bound=StrEnum)
ENDED: Final = "ended"
"""What the statuses that nothing leaves are called together."""


def diagram(moves: Moves = MOVES) -> str:
    """Return the table of moves as a Mermaid state diagram; events with the same effect share an arrow."""
    lines = ["    direction LR", *_arrows(moves, lambda status: status)]
    lines += [f"    {status} --> [*]" for status in Status if not moves[status]]
    return _mermaid(lines)


def ratchet(moves: Moves = MOVES) -> str:
    """Return the same in short: the statuses that nothing leaves are one box."""
    terminal = [status for status in Status if not moves[status]]
    inside = [f"        {status}" for status in terminal]
    arrows = _arrows(moves, lambda status: ENDED if status in terminal else status)
    return _mermaid([*arrows, f"    state {ENDED} {{", *inside, "    }"])


def _arrows(moves: Moves, shown: Callable[[Status], str]) -> list[str]:
    lines: list[str] = []
    for status in (None, *Status):
        row = moves[status]
        for then in dict.fromkeys(shown(row[kind]) for kind in EVENTS if kind in row):
            causes = [kind.__name__ for kind in EVENTS if kind in row and shown(row[kind]) == then]
            lines.append(f"    {status or '[*]'} --> {then}: {', '.join(causes)}")
    return lines


def _mermaid(lines: list[str]) -> str:
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```"))


def statuses() -> str:
    """Return the six statuses: rank, whether something can follow, and when each is true."""
    rows = (
        (f"`{status}`", str(RANK[status]), "yes" if status.is_terminal else "no", meaning)
        for status, meaning in _members(Status)
    )
    return _table(("status", "rank", "terminal", "true when"), rows)


def error_codes() -> str:
    """Return why a workflow can have failed."""
    return _table(("code", "means"), ((f"`{code}`", meaning) for code, meaning in _members(ErrorCode)))


def refusals() -> str:
    """Return why a report can have changed nothing."""
    return _table(("reason", "means"), ((f"`{reason}`", meaning) for reason, meaning in _members(Refusal)))


def subjects() -> str:
    """Return the subjects of NATS."""
    rows: list[tuple[str, ...]] = []
    for row in TRAFFIC:
        subject = row.subject.replace("*", f"<{row.parameter}>")
        stream = f"`{row.stream}`" if row.stream else "request and reply" if row.answer else "none"
        rows.append((f"`{subject}`", stream, ", ".join(row.senders), ", ".join(row.receivers), row.summary))
    return _table(("subject", "stream", "who sends", "who receives", "what for"), rows)


def frames() -> str:
    """Return the frames of the live streams, each with its fields."""
    rows: list[tuple[str, ...]] = []
    for frame in Frame.__args__:
        names = ", ".join(field.encode_name for field in fields(frame))
        rows.append((f"`{frame.__struct_config__.tag} {{{names}}}`", inspect.cleandoc(frame.__doc__ or "")))
    return _table(("frame", "when"), rows)


def close_codes() -> str:
    """Return how a WebSocket is closed."""
    return _table(
        ("code", "meaning", "what to do"), ((str(code), *told) for code, told in sorted(CLOSE_CODES.items()))
    )


def problems() -> str:
    """Return the codes of problems, in order of their HTTP status."""
    ordered = sorted(PROBLEM_CODES.items(), key=lambda item: item[1][0])
    return _table(
        ("status", "code", "means"),
        ((str(status), f"`{code}`", f"{title}.") for code, (status, title) in ordered),
    )


def _members(kind: type[E]) -> list[tuple[E, str]]:
    """Return the members of an enumeration, each with the docstring below it, which Python does not keep."""
    found: list[tuple[E, str]] = []
    (described,) = (
        node for node in ast.walk(ast.parse(inspect.getsource(kind))) if isinstance(node, ast.ClassDef)
    )
    for member, below in pairwise(described.body):
        match member, below:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str() as text)):
                found.append((kind[name], inspect.cleandoc(text)))
            case _:
                pass
    return found


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += (f"| {' | '.join(cell(text) for text in row)} |" for row in rows)
    return "\n".join(lines)
