"""The six statuses, and what can be wrong with a workflow that failed.

A status is a ratchet: each has a rank, and a move must raise it (see `moves`).  Whether a heartbeat is
fresh, what a workflow waits for and how far it got are overlays on `running`, never statuses.
"""

from enum import StrEnum
from typing import Final

__all__ = ["LIVE", "RANK", "TERMINAL", "ErrorCode", "Status"]


class Status(StrEnum):
    """How a workflow stands."""

    PENDING = "pending"
    """Accepted; no executor has it."""
    RUNNING = "running"
    """An executor holds the lease and its process lives."""
    CANCELLING = "cancelling"
    """Cancel was asked; the process has not been seen to end."""
    SUCCESS = "success"
    """The process ended after its final message said so."""
    FAILED = "failed"
    """The process ended badly, or nobody can vouch for it; `error.code` says how."""
    CANCELLED = "cancelled"
    """The process ended because someone asked, or never began."""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in TERMINAL


RANK: Final[dict[Status, int]] = {
    Status.PENDING: 0,
    Status.RUNNING: 1,
    Status.CANCELLING: 2,
    Status.SUCCESS: 3,
    Status.FAILED: 3,
    Status.CANCELLED: 3,
}
TERMINAL: Final = frozenset(status for status, rank in RANK.items() if rank == 3)
LIVE: Final = frozenset({Status.RUNNING, Status.CANCELLING})
"""The statuses in which an executor holds a lease."""


class ErrorCode(StrEnum):
    """Why a workflow failed. Closed: a new cause is a new release of the contracts."""

    EXCEPTION = "exception"
    """The work raised; `type` and `traceback` say what."""
    ABRUPT_EXIT = "abrupt_exit"
    """The process was killed or exited with a code; `signal` or `exit_code` says how."""
    EXIT_WITHOUT_RESULT = "exit_without_result"
    """The process ended with exit code 0 and no final message: no success."""
    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    """The executor's pulse expired and it did not answer."""
    EXECUTOR_LOST = "executor_lost"
    """The executor's connection ended, or it no longer knows the lease."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """The definition's `deadline_s` passed and the process was killed."""
    QUEUE_TIMEOUT = "queue_timeout"
    """No executor took it within the definition's `queue_timeout_s`."""
    SPAWN_FAILED = "spawn_failed"
    """The process could not be started, or its code could not be loaded."""
    SHUTDOWN = "shutdown"
    """The executor was told to stop and ended the process."""
    INVALID_INPUTS = "invalid_inputs"
    """The work refused its inputs at the start."""
