"""How a process speaks."""

import json
import os
import threading
from collections.abc import Iterator

import pytest

from lastword.child.inside.voice import Voice, encode


class Pipe:
    """A pipe, and what was said on it."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)

    def said(self) -> list[dict[str, object]]:
        """Return what was said since it was last asked."""
        try:
            data = os.read(self.read, 1 << 20)
        except BlockingIOError:
            return []
        return [json.loads(line) for line in data.splitlines()]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Return a pipe."""
    one = Pipe()
    yield one
    os.close(one.read)
    os.close(one.write)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_a_message_is_one_line(pipe: Pipe) -> None:
    """Whatever is in it."""
    Voice(pipe.write, 1.0).tell({"says": "said", "text": "a\nb\u2028\ud800"})
    assert [{"says": "said", "text": "a\nb\u2028?"}] == pipe.said()


def test_the_first_progress_goes_at_once_and_the_rest_when_its_time_comes(pipe: Pipe) -> None:
    """Of those in between, the latest."""
    clock = Clock()
    voice = Voice(pipe.write, 1000.0, clock)
    for number in range(3):
        voice.tell_latest(lambda number=number: {"n": number})  # type: ignore[misc]
    assert [{"n": 0}] == pipe.said()
    clock.now = 1000.0
    voice._tell_held()
    assert [{"n": 2}] == pipe.said()


def test_what_was_held_back_goes_before_the_last_word(pipe: Pipe) -> None:
    """And nothing goes after it."""
    voice = Voice(pipe.write, 1000.0)
    voice.tell_latest(lambda: {"n": 1})
    voice.tell_latest(lambda: {"n": 2})
    voice.finish(encode({"says": "returned"}))
    voice.say("too late")
    voice.finish(encode({"says": "raised"}))
    assert [{"n": 1}, {"n": 2}, {"says": "returned"}] == pipe.said()


def test_many_threads_do_not_mix_their_lines(pipe: Pipe) -> None:
    """Each line comes whole."""
    voice = Voice(pipe.write, 0.0)

    def speak(name: str) -> None:
        for number in range(50):
            voice.tell({"name": name, "n": number, "text": name * 100})

    threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = pipe.said()
    assert 200 == len(said)
    for name in "abcd":
        assert list(range(50)) == [one["n"] for one in said if one["name"] == name]


def test_nobody_listening_is_no_reason_to_fail(pipe: Pipe) -> None:
    """The executor is gone, and the fork server is about to end the process."""
    read, write = os.pipe()
    os.close(read)
    Voice(write, 1.0).say("hello")
    os.close(write)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: object()}])
def test_what_is_no_json_is_refused(value: object) -> None:
    """A line that the other side cannot read is not sent."""
    with pytest.raises((TypeError, ValueError)):
        encode(value)
