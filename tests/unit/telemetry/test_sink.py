"""A reader that stops reading makes nobody wait."""

import io
import threading
from typing import Any

from lastword.telemetry.sink import DirectSink, LineSink


def note(dropped: int) -> bytes:
    """Say how many lines are missing."""
    return b"dropped %d\n" % dropped


class HeldTerminal(io.BytesIO):
    """A stream whose writes wait until someone reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.released = threading.Event()

    def write(self, data: Any, /) -> int:
        """Wait, then write."""
        self.reached.set()
        assert self.released.wait(10)
        return super().write(data)


class BrokenPipe(io.BytesIO):
    """A stream whose reader has gone after the first write."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = threading.Event()

    def write(self, data: Any, /) -> int:
        """Fail."""
        self.broken.set()
        raise BrokenPipeError


def test_lines_come_out_in_order() -> None:
    """All of them, once the sink is closed."""
    stream = io.BytesIO()
    sink = LineSink(stream, note)
    lines = [b"%d\n" % n for n in range(1_000)]
    for line in lines:
        sink.write(line)
    sink.close(10)
    assert b"".join(lines) == stream.getvalue()


def test_a_held_terminal_holds_nobody_and_the_gap_is_told() -> None:
    """Writing returns at once; what did not fit is counted where it is missing."""
    stream = HeldTerminal()
    sink = LineSink(stream, note, capacity=3)
    sink.write(b"first\n")
    assert stream.reached.wait(10)
    for n in range(8):
        sink.write(b"%d\n" % n)
    stream.released.set()
    sink.close(10)
    assert b"first\n0\n1\n2\ndropped 5\n" == stream.getvalue()


def test_a_reader_that_has_gone_stops_nothing() -> None:
    """The error stays in the sink, which goes on taking lines and closes as ever."""
    stream = BrokenPipe()
    sink = LineSink(stream, note)
    sink.write(b"a\n")
    assert stream.broken.wait(10)
    sink.write(b"b\n")
    sink.close(10)
    assert not sink._thread.is_alive()


def test_closing_waits_no_longer_than_asked() -> None:
    """The end of a process is not held up by a held terminal."""
    stream = HeldTerminal()
    sink = LineSink(stream, note)
    sink.write(b"a\n")
    sink.close(0.0)
    assert sink._thread.is_alive()
    stream.released.set()
    sink.close(10)
    assert b"a\n" == stream.getvalue()


def test_a_direct_sink_writes_at_once_and_without_a_thread() -> None:
    """A process that forks others has written everything before it does."""
    stream = io.BytesIO()
    before = threading.active_count()
    sink = DirectSink(stream)
    sink.write(b"a\n")
    assert b"a\n" == stream.getvalue()
    assert before == threading.active_count()
    sink.close()


def test_a_direct_sink_too_outlives_its_reader() -> None:
    """The error stays in the sink."""
    stream = BrokenPipe()
    DirectSink(stream).write(b"a\n")
    assert stream.broken.is_set()
