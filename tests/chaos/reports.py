"""What an executor says to NATS, cut into operations, so that a link can hold or repeat its reports."""

from collections.abc import Iterator
from typing import Final

from lastword.contracts import subjects

__all__ = ["Operations", "again", "is_report"]

END: Final = b"\r\n"
REPORT: Final = subjects.report().removesuffix("*").encode()
MESSAGE_ID: Final = b"Nats-Msg-Id:"
NO_MESSAGE_ID: Final = b"Nats-Msg-No:"  # as long, so that no length changes


class Operations:
    """Cuts one connection's bytes where an operation of the protocol ends."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the operations that are whole by now."""
        self._bytes += chunk
        while (line := self._bytes.find(END)) >= 0:
            words = bytes(self._bytes[:line]).split()
            whole = line + len(END)
            if words and _publishes(words):
                whole += int(words[-1]) + len(END)
            if len(self._bytes) < whole:
                return
            yield bytes(self._bytes[:whole])
            del self._bytes[:whole]


def is_report(operation: bytes) -> bool:
    """Whether it publishes a report."""
    words = operation.partition(END)[0].split()
    return len(words) > 1 and _publishes(words) and words[1].startswith(REPORT)


def again(operation: bytes) -> bytes:
    """Return the same report as one that the stream does not know, and whose answer nobody waits for."""
    line, _, rest = operation.partition(END)
    words = line.split()
    sizes = words[-2:] if words[0].upper() == b"HPUB" else words[-1:]
    head = b" ".join([*words[:2], *sizes])
    return head + END + rest.replace(MESSAGE_ID, NO_MESSAGE_ID, 1)


def _publishes(words: list[bytes]) -> bool:
    return words[0].upper() in {b"PUB", b"HPUB"}
