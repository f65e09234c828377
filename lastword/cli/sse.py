"""Server-sent events, as the HTML standard has them parsed (section 9.2.6), from whatever chunks come in.

Lines end at CR, LF or both, and nowhere else: `str.splitlines` also cuts at U+2028, which JSON may hold.
"""

from typing import Final

from msgspec import Struct

__all__ = ["EventParser", "ServerEvent", "TooLarge"]

MAX_EVENT: Final = 16 * 1024 * 1024  # bytes; a record is far below 1 MiB


class TooLarge(ValueError):
    """An event never ends: this is no stream of ours."""

    def __init__(self) -> None:
        super().__init__(f"an event of more than {MAX_EVENT} bytes")


class ServerEvent(Struct, frozen=True, kw_only=True):
    """One event."""

    data: bytes
    name: str = "message"
    last_id: str | None = None
    """The last id that the stream gave, with this event or before; where to resume."""


class EventParser:
    """Turns chunks into events."""

    def __init__(self) -> None:
        self._rest = b""
        self._after_cr = False
        self._data: list[bytes] = []
        self._size = 0
        self._name = ""
        self._last_id: str | None = None

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes; raise `TooLarge` for one without end."""
        if self._after_cr and chunk.startswith(b"\n"):  # the other half of a line end
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        if len(self._rest) + self._size > MAX_EVENT:
            raise TooLarge
        events = [event for line in lines if (event := self._take(line)) is not None]
        if self._size > MAX_EVENT:
            raise TooLarge
        return events

    def _take(self, line: bytes) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self._last_id = value.decode("utf-8", "replace")
        return None  # comments, `retry` and unknown fields say nothing to us

    def _dispatch(self) -> ServerEvent | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        if not data:
            return None
        return ServerEvent(data=b"\n".join(data), name=name or "message", last_id=self._last_id)
