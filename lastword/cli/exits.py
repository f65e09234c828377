"""What the exit codes mean. Scripts rely on them; a code is never given another meaning."""

from enum import IntEnum

from lastword.contracts.statuses import Status

__all__ = ["Exit", "exit_for"]


class Exit(IntEnum):
    """How a command ended."""

    SUCCESS = 0
    """Done; where a workflow was waited for, it succeeded."""
    FAILED = 1
    """The workflow that was waited for failed."""
    USAGE = 2
    """The command line, its inputs or the settings cannot be used; nothing was asked of the server."""
    CANCELLED = 3
    """The workflow that was waited for was cancelled."""
    UNREACHABLE = 4
    """No answer, or 502, 503 or 504: trying again later may help."""
    REFUSED = 5
    """The server answered with any other problem; trying the same again will not help."""
    BUG = 70
    """A fault of this program (`EX_SOFTWARE`)."""
    INTERRUPTED = 130
    """Ctrl-C; a workflow that was being watched goes on."""
    PIPE_CLOSED = 141
    """Whoever read the output has gone, as with `| head` (128 + SIGPIPE)."""


def exit_for(status: Status) -> Exit:
    """Return how a command ends that waited for a workflow; a live status means that it did not wait."""
    return {Status.FAILED: Exit.FAILED, Status.CANCELLED: Exit.CANCELLED}.get(status, Exit.SUCCESS)
