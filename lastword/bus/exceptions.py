"""What can go wrong on the bus.

::

    BusError
    ├── Unreachable          no server at the address
    │   └── LoginRefused     there is one, and it does not let us in
    ├── BadLogin             a file with credentials or certificates that cannot be used
    ├── ServerTooOld         a server without what lastword needs
    ├── ServerFailed         the embedded server did not start
    ├── Unavailable          nobody answers right now: try again
    │   ├── AppendUncertain  an append was tried for too long; whether it landed is not known
    │   └── Unheard          nobody listens where the question was asked
    ├── Conflict             another record was appended first
    ├── StreamMismatch       a stream exists and cannot be made what lastword needs
    ├── StreamMissing        a stream that should be there is not
    └── TooLarge             a message that the server would refuse

Errors of `nats` never leave this folder.
"""

__all__ = [
    "AppendUncertain",
    "BadLogin",
    "BusError",
    "Conflict",
    "LoginRefused",
    "ServerFailed",
    "ServerTooOld",
    "StreamMismatch",
    "StreamMissing",
    "TooLarge",
    "Unavailable",
    "Unheard",
    "Unreachable",
]


class BusError(Exception):
    """Base of everything here."""


class Unreachable(BusError):
    """No NATS server answers at the address."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(self._say(url, why))
        self.url = url

    def _say(self, url: str, why: str) -> str:
        return (
            f"no NATS server at {url} ({why}); start one there, or unset LASTWORD_BUS__URL "
            "and let `lastword up` start the embedded one"
        )


class LoginRefused(Unreachable):
    """A server answers, and refuses our user, password, credentials or certificate."""

    def _say(self, url: str, why: str) -> str:
        return (
            f"the NATS server at {url} does not let us in ({why}); check bus.user and bus.password, "
            "bus.credentials, bus.nkey_seed, or the user in bus.url"
        )


class BadLogin(BusError):
    """A file named by the settings, with credentials or certificates, that cannot be used."""

    def __init__(self, setting: str, path: str, why: str) -> None:
        super().__init__(f"bus.{setting} ({path}) cannot be used: {why}")
        self.setting = setting


class ServerTooOld(BusError):
    """The server lacks the JetStream API level that lastword needs."""

    def __init__(self, url: str, version: str, level: int, needed: int) -> None:
        super().__init__(
            f"the NATS server at {url} is version {version} with JetStream API level {level}; lastword needs "
            f"level {needed} (nats-server 2.12 or newer): message expiry and its markers would be ignored "
            "silently. Upgrade it, or let `lastword up` start the embedded one"
        )
        self.version = version


class ServerFailed(BusError):
    """The embedded server did not start."""

    def __init__(self, binary: str, why: str) -> None:
        super().__init__(f"the embedded nats-server ({binary}) did not start: {why}")


class Unavailable(BusError):
    """Nobody answers right now: no responder, no leader, or no connection. Try again."""

    def __init__(self, what: str, why: str = "", retry_after_s: int = 1) -> None:
        super().__init__(f"{what} is not available right now{': ' + why if why else ''}; try again")
        self.what = what
        self.retry_after_s = retry_after_s


class AppendUncertain(Unavailable):
    """An append was tried for its whole time without an answer that settles it."""

    def __init__(self, workflow_id: str, tried_s: float) -> None:
        super().__init__(f"the log of {workflow_id}", f"no answer to an append within {tried_s:g} s")


class Unheard(Unavailable):
    """Nobody listens where the question was asked, says the server: at once, and not after a wait."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "nobody listens")


class Conflict(BusError):
    """Another record was appended to the subject first: read it and decide again."""

    def __init__(self, workflow_id: str, expected: int) -> None:
        super().__init__(f"{workflow_id} has moved on from position {expected}")
        self.workflow_id = workflow_id
        self.expected = expected


class StreamMismatch(BusError):
    """A stream exists with a setting that cannot be changed in place."""

    def __init__(self, stream: str, why: str) -> None:
        super().__init__(
            f"stream {stream} cannot be brought to what this version needs: {why}. "
            "It was not changed. Use another account or data folder, or remove the stream after a back-up"
        )
        self.stream = stream


class StreamMissing(BusError):
    """A stream that should be there is not."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"there is no stream {stream}: no lastword has worked with this NATS account yet")
        self.stream = stream


class TooLarge(BusError):
    """A message beyond what the server accepts."""

    def __init__(self, subject: str, size: int, limit: int) -> None:
        super().__init__(f"a message of {size} bytes for {subject} is over the server's limit of {limit}")
        self.size = size
        self.limit = limit
