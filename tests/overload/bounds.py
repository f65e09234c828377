"""How much memory each process may take beyond what it holds at rest: what its bounds and settings add up to.

A record, report or line that is decoded takes some three times its bytes.  Besides what is bounded by number
or size, one thing grows with what is asked: a workflow that waits costs the auditor a few kilobytes until it
has ended.
"""

from typing import Final

from lastword.actors.chronicler import MAX_BYTES
from lastword.actors.projector import BACKLOG_BYTES
from lastword.actors.registrar import REMEMBERED, REMEMBERED_BYTES
from lastword.actors.supervisor import ReportReader
from lastword.actors.watchlist import STRANGERS
from lastword.bus.commands import AT_ONCE
from lastword.bus.streams import MAX_MESSAGE, PROGRESS_BYTES
from lastword.child.output import MAX_TEXT
from lastword.http.memory import MEMORY_BYTES, RING_BYTES
from lastword.settings import Settings

__all__ = ["allowances_mb"]

MB: Final = 1_000_000
DECODED: Final = 3  # times its bytes
RECORD: Final = 3_072  # bytes of a small record, decoded, with its key
CONNECTION: Final = 98_304  # bytes: a write buffer of 64 KiB, its parser, its task and its frames
GROWTH: Final = 48 * MB  # what an allocator keeps that is busy
RESULT: Final = 16 * 1_048_576  # the largest result of a child that its executor takes
UNDER_WAY: Final = 256  # messages of the largest size in the server's buffers and the garbage that they leave
STORED: Final = 384 * MB  # what the server caches of its streams' blocks, ten streams at most


def allowances_mb(settings: Settings, *, connections: int, waiting: int) -> dict[str, float]:
    """Return the allowance of each process, in megabytes.

    `connections` are open at the edge, at most; `waiting` workflows have not ended.
    """
    reports = settings.supervisor.partitions * 3 * ReportReader.bytes_at_once  # in hand, and on their way
    remembered = REMEMBERED_BYTES + BACKLOG_BYTES
    commands = 3 * AT_ONCE * settings.http.max_inputs_bytes
    pages = 4 * 200 * settings.http.max_inputs_bytes  # of lists, with all that they show
    said = MAX_TEXT + MAX_BYTES
    allowed = {
        "supervisor": DECODED * (reports + remembered + commands) + REMEMBERED * RECORD,
        "auditor": (STRANGERS + waiting) * RECORD,
        "executor": settings.executor.slots * DECODED * (RESULT + said),
        "edge": DECODED * (MEMORY_BYTES + RING_BYTES + pages) + connections * CONNECTION,
        "nats": PROGRESS_BYTES + STORED + UNDER_WAY * MAX_MESSAGE,
    }
    return {role: (size + GROWTH) / MB for role, size in allowed.items()}
