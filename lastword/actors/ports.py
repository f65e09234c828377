"""What actors ask of the bus and of their processes, and no more: tests answer from memory.

`lastword.bus.Bus` is a `Post`, `lastword.bus.StatusLog` a `Ledger`, `lastword.bus.Outputs` a `ResultKeeper`;
their methods raise `Unavailable` where nobody answers right now.  `lastword.child.pool.ChildPool` is a
`Starter`, and what it starts are `Process`es.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from lastword.child.protocol import Ended, Message, Work
from lastword.contracts.events import ResultReference
from lastword.contracts.records import Entry, Record

__all__ = ["Ledger", "Post", "Process", "ResultKeeper", "Starter"]


class Post(Protocol):
    """Carries messages."""

    @property
    def name(self) -> str:
        """Who we are to everyone else."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached right now, as far as is known."""
        ...

    @property
    def max_payload(self) -> int:
        """The largest message that can be carried, in bytes."""
        ...

    async def store(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str | None = None,
        ttl_s: int | None = None,
        is_bulky: bool = False,
    ) -> bool:
        """Put a message into a stream; return False where it knew `message_id` already. Also `TooLarge`.

        What `is_bulky` gets the time that a slow link takes to carry it.
        """
        ...

    async def tell(self, subject: str, payload: bytes) -> None:
        """Tell whoever listens. Also raises `TooLarge`."""
        ...

    async def request(self, subject: str, payload: bytes, *, timeout_s: float | None = None) -> bytes:
        """Ask, and return the answer; raise `Unheard` where nobody listens, says the server."""
        ...

    async def ask_api(self, subject: str, request: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask JetStream's API; the answer may hold an `error`."""
        ...


class Ledger(Protocol):
    """The log of statuses."""

    async def read(self, workflow_id: str) -> Entry | None:
        """Return how a workflow stands: every append that was acknowledged before is seen."""
        ...

    async def read_many(self, workflow_ids: Sequence[str]) -> dict[str, Entry]:
        """Return how several workflows stand, perhaps a moment ago; unknown ones are left out."""
        ...

    async def append(self, record: Record, *, expected: int) -> Entry:
        """Append after the position `expected`; raise `Conflict`, `TooLarge` or `AppendUncertain`."""
        ...


class ResultKeeper(Protocol):
    """Keeps results that are too large for a record."""

    async def keep_result(self, workflow_id: str, lease: int, result: bytes) -> ResultReference:
        """Keep it, the same under the same name however often; return where it lies."""
        ...


class Process(Protocol):
    """One workflow's process."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    def messages(self) -> AsyncIterator[Message]:
        """Iterate over what it says and prints, until it has ended and all is read."""
        ...

    async def ended(self) -> Ended:
        """Wait until it has ended and everything it wrote is read."""
        ...

    async def cancel(self, grace_s: float) -> Ended:
        """End it, politely first."""
        ...

    def kill(self) -> None:
        """End it and all that it has started, at once."""
        ...


class Starter(Protocol):
    """Starts processes."""

    async def spawn(self, work: Work) -> Process:
        """Start a process for `work`; raise `SpawnFailed`."""
        ...
