"""What an actor raises about a message.

::

    ActorError
    ├── Refused      never again: the message changes nothing
    ├── Postponed    again later
    └── Escalated    a kept task failed too often; the process should be restarted

Anything else is a bug, and crashes.
"""

__all__ = ["ActorError", "Escalated", "Postponed", "Refused"]


class ActorError(Exception):
    """Base of everything here."""


class Refused(ActorError):
    """The message changes nothing, now or ever."""

    def __init__(self, why: str) -> None:
        super().__init__(why)


class Postponed(ActorError):
    """The message cannot be handled yet."""

    def __init__(self, why: str, delay_s: float) -> None:
        super().__init__(why)
        self.delay_s = delay_s


class Escalated(ActorError):
    """A kept task failed more often than its limit allows."""

    def __init__(self, name: str, restarts: int, within_s: float) -> None:
        super().__init__(f"{name} failed more than {restarts} times within {within_s:g} s")
        self.name = name
