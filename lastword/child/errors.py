"""What can go wrong between an executor and the processes that it starts.

::

    Exception
    └── SpawnFailed
"""

from lastword.contracts.events import Error
from lastword.contracts.statuses import ErrorCode

__all__ = ["SpawnFailed"]


class SpawnFailed(Exception):
    """A process could not be started; nothing of the work has run."""

    def __init__(self, reason: str, output: str | None = None) -> None:
        super().__init__(reason)
        self.error = Error(
            code=ErrorCode.SPAWN_FAILED,
            message=f"the process could not be started: {reason}",
            output=output,
        )
        """What to report."""
