"""Reading what others wrote, where that may be anything.

Executors run other people's code, and whoever has their credentials can publish what he likes under their
subjects.  What is no message of its kind is turned away at the border: it is counted with its reason, said in
the log once a second at most, and moves nothing.
"""

import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from lastword.bus._decode import decode
from lastword.contracts import subjects
from lastword.contracts.nesting import MESSAGE_NESTING, nesting_of
from lastword.telemetry.metrics import Kind, Metrics, Why

__all__ = ["Doorkeeper", "Inspector", "Unusable"]

log = structlog.get_logger(__name__)

M = TypeVar("M")

SAY_EVERY_S: Final = 1.0  # a flood must not fill the disk with what is said of it
DETAIL: Final = 200  # characters of what is said; a decoder quotes what it was given


class Unusable(Exception):
    """A message is none of its kind; the text says what is wrong with it."""

    def __init__(self, why: Why, detail: str) -> None:
        super().__init__(detail[:DETAIL])
        self.why: Final[Why] = why


class Doorkeeper:
    """Counts the messages of one kind that are turned away, and says so now and then."""

    def __init__(self, kind: Kind, metrics: Metrics, *, now: Callable[[], float] = time.monotonic) -> None:
        self._kind: Kind = kind
        self._metrics = metrics
        self._now = now
        self._said: dict[Why, float] = {}
        self._unsaid: dict[Why, int] = {}

    def turn_away(self, why: Why, subject: str, detail: str = "") -> None:
        """Count a message that is not taken."""
        self._metrics.message_refused(self._kind, why)
        now = self._now()
        said = self._said.get(why)
        if said is not None and now - said < SAY_EVERY_S:
            self._unsaid[why] = self._unsaid.get(why, 0) + 1
            return
        self._said[why] = now
        log.warning(
            "message.refused",
            kind=self._kind,
            reason=why,
            subject=subject[:DETAIL],
            detail=detail[:DETAIL],
            since_last=self._unsaid.pop(why, 0),
        )


class Inspector(Generic[M]):
    """Reads messages of one kind."""

    def __init__(
        self,
        kind: Kind,
        shape: type[M],
        metrics: Metrics,
        *,
        name_of: Callable[[M], str] | None = None,
        max_bytes: int | None = None,
    ) -> None:
        """`name_of` returns whom a message speaks of: its subject must end in the same name."""
        self.doorkeeper = Doorkeeper(kind, metrics)
        """For whoever finds more wrong with a message than can be seen here."""
        self._decoder = msgspec.json.Decoder(shape)
        self._name_of = name_of
        self._max_bytes = max_bytes

    def read(self, subject: str, data: bytes) -> M | None:
        """Return what the message says, or None where it is turned away."""
        try:
            return self.check(subject, data)
        except Unusable:
            return None

    def check(self, subject: str, data: bytes) -> M:
        """Return what the message says; turn it away and raise `Unusable` where it is none."""
        try:
            return self._check(subject, data)
        except Unusable as error:
            self.doorkeeper.turn_away(error.why, subject, str(error))
            raise

    def _check(self, subject: str, data: bytes) -> M:
        if self._max_bytes is not None and len(data) > self._max_bytes:
            raise Unusable("oversize", f"it has {len(data)} bytes")
        if nesting_of(data, MESSAGE_NESTING) > MESSAGE_NESTING:
            raise Unusable("malformed", "it is nested too deeply")
        try:
            message = decode(self._decoder, data)
        except msgspec.DecodeError as error:
            raise Unusable("malformed", str(error)) from error
        if self._name_of is not None and (name := self._name_of(message)) != subjects.last_token(subject):
            raise Unusable("misaddressed", f"it speaks of {name}")
        return message
