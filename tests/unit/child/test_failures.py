"""What is said of an exception."""

import pytest

from lastword.child.inside.failures import (
    MAX_MESSAGE,
    MAX_TRACEBACK,
    InvalidInputs,
    error_of,
    exit_code,
    last_lines,
)


class Mute(Exception):
    """Cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def caught(error: BaseException) -> BaseException:
    """Return the exception with a traceback."""
    with pytest.raises(type(error)) as caught_here:
        raise error
    return caught_here.value


def test_the_class_and_its_words_make_the_message() -> None:
    """A bare `'x'` would tell nobody that a key was missing."""
    error = error_of(caught(KeyError("x")), "exception")
    assert ("exception", "KeyError: 'x'", "KeyError") == (error["code"], error["message"], error["type"])


def test_an_exception_without_words_is_named() -> None:
    """Its class is all there is."""
    assert "AssertionError" == error_of(caught(AssertionError()), "exception")["message"]


def test_everything_is_bounded() -> None:
    """Megabytes of message or traceback go nowhere."""
    error = error_of(caught(ValueError("x" * 1_000_000)), "exception")
    assert MAX_MESSAGE == len(error["message"])
    assert MAX_TRACEBACK == len(error["traceback"])


def test_an_exception_that_fails_to_speak_is_still_told() -> None:
    """Its own failure does not take the place of the work's."""
    error = error_of(caught(Mute()), "exception")
    assert "Mute: (its message cannot be shown: RuntimeError)" == error["message"]


def test_what_is_lastword_s_own_needs_no_class_name() -> None:
    """The message is a sentence already."""
    error = error_of(caught(InvalidInputs({"a": "missing", "b": "bad"})), "invalid_inputs")
    assert "a: missing; b: bad" == error["message"]


@pytest.mark.parametrize(
    ("given", "code"), [(None, 0), (0, 0), (3, 3), (256, 0), (-1, 255), ("words", 1), (1.5, 1)]
)
def test_an_exit_has_the_code_that_python_gives_it(given: object, code: int) -> None:
    """Of eight bits; text means 1."""
    error = caught(SystemExit(given))
    assert isinstance(error, SystemExit)
    assert code == exit_code(error)
    expected = "abrupt_exit" if code else "exit_without_result"
    assert expected == error_of(error, "exception")["code"]


def test_the_last_lines_of_a_traceback_are_enough() -> None:
    """Those who mend a definition want its end."""
    lines = last_lines(caught(ValueError("\n".join(map(str, range(100))))), count=3)
    assert "97\n98\n99" == lines
