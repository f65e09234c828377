"""What RFC 6455 makes of a client's bytes: a second opinion, written from the standard and nothing else."""

from dataclasses import dataclass, field

__all__ = ["Reading", "read_frames"]

CONTINUATION, TEXT, CLOSE, PING = 0, 1, 8, 9
OPCODES = {0, 1, 2, 8, 9, 10}
CONTROL_LIMIT = 125
CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}  # section 7.4, and IANA's list


@dataclass
class Reading:
    """What the bytes say, up to the first that may not be."""

    messages: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """Whole messages: opcode and payload."""
    pings: list[bytes] = field(default_factory=list[bytes])
    closes: set[int] = field(default_factory=set[int])
    """Codes with which the connection may be closed, and must be with one; empty while it goes on."""
    missing: int = 0
    """How many bytes the frame that is under way still wants."""


class _Wanting(Exception):
    """The frame is not whole."""

    def __init__(self, missing: int) -> None:
        super().__init__(missing)
        self.missing = missing


class _Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        """Tell whether any are left."""
        return bool(self._data)

    @property
    def rest(self) -> bytes:
        """What is left."""
        return self._data

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if len(self._data) < size:
            raise _Wanting(size - len(self._data))
        taken, self._data = self._data[:size], self._data[size:]
        return taken


def read_frames(data: bytes, limit: int) -> Reading:
    """Read a client's bytes; messages may have `limit` bytes."""
    reading, source = Reading(), _Bytes(data)
    begun: tuple[int, bytes] | None = None
    try:
        while source and not reading.closes:
            begun = _read_frame(source, reading, begun, limit)
    except _Wanting as wanting:
        reading.missing = wanting.missing
    return reading


def _read_frame(
    source: _Bytes, reading: Reading, begun: tuple[int, bytes] | None, limit: int
) -> tuple[int, bytes] | None:
    """Read one frame; return the message that is under way after it."""
    first, second = source.take(2)
    opcode, fin, size = first & 0x0F, bool(first & 0x80), second & 0x7F
    if size > CONTROL_LIMIT:
        size = int.from_bytes(source.take(2 if size == 126 else 8), "big")
    too_large = size > limit - (len(begun[1]) if begun is not None else 0)
    improper = bool(first & 0x70) or opcode not in OPCODES or not second & 0x80
    improper |= opcode >= CLOSE and (size > CONTROL_LIMIT or not fin)
    if too_large and (improper or opcode < CLOSE):  # whichever is looked at first
        reading.closes = {1002, 1009} if improper else {1009}
        return None
    mask = source.take(4)
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(source.take(size)))
    if improper or (opcode < CLOSE and (opcode == CONTINUATION) != (begun is not None)):
        reading.closes = {1002}
        return None
    if opcode >= CLOSE:
        _read_control(opcode, payload, reading)
        return begun
    begun = (opcode, payload) if begun is None else (begun[0], begun[1] + payload)
    if not fin:
        return begun
    if begun[0] == TEXT and not _is_utf8(begun[1]):
        # The text may be looked at only after the frames behind it, which came in the same packet.
        behind = read_frames(source.rest, limit)
        reading.pings += behind.pings
        reading.closes = {1007} | behind.closes | ({1002, 1009} if behind.missing else set())
    else:
        reading.messages.append(begun)
    return None


def _read_control(opcode: int, payload: bytes, reading: Reading) -> None:
    if opcode == PING:
        reading.pings.append(payload)
    elif opcode == CLOSE:
        reading.closes = _close_codes(payload)


def _close_codes(payload: bytes) -> set[int]:
    """Return the codes with which a close frame may be answered."""
    if not payload:
        return {1005}  # none, which is answered with none
    code = int.from_bytes(payload[:2], "big")
    wrong: set[int] = set() if len(payload) > 1 and code in CLOSE_CODES else {1002}
    return (wrong if _is_utf8(payload[2:]) else wrong | {1007}) or {code}


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
