"""What a process says of an exception: bounded, and without the frames of lastword itself."""

import os
import traceback
from typing import Any

__all__ = ["InvalidInputs", "LoadFailed", "NotJson", "TooLarge", "error_of", "last_lines"]

MAX_MESSAGE = 16_384  # characters; the contract's bound
MAX_TRACEBACK = 32_768  # characters; the contract's bound
_OWN = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  compared with the names in tracebacks


class LoadFailed(Exception):
    """A target names something that cannot be run; the message says what to do."""


class InvalidInputs(Exception):
    """Inputs that the work does not take."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))


class NotJson(Exception):
    """A result that cannot be written as JSON."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"the result is no JSON: {reason}")


class TooLarge(Exception):
    """A result beyond the bound."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"result too large: {size:,} bytes of JSON, and {limit:,} are allowed")


def error_of(error: BaseException, code: str) -> dict[str, Any]:
    """Return what the contract's `Error` takes."""
    kind = type(error)
    if isinstance(error, SystemExit):
        return _exit(error)
    own = kind.__module__.startswith("lastword.")
    message = _text(error) if own else f"{kind.__name__}: {_text(error)}".removesuffix(": ")
    return {
        "code": code,
        "message": message[:MAX_MESSAGE],
        "type": kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}",
        "traceback": _traceback(error)[-MAX_TRACEBACK:],
    }


def exit_code(error: SystemExit) -> int:
    """Return the code with which Python would have ended."""
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def last_lines(error: BaseException, count: int = 20) -> str:
    """Return the last lines of the traceback, for someone who has to mend a definition."""
    if isinstance(error, LoadFailed):
        return str(error)[:MAX_MESSAGE]
    return "\n".join(_traceback(error).rstrip().splitlines()[-count:])[:MAX_MESSAGE]


def _exit(error: SystemExit) -> dict[str, Any]:
    code = exit_code(error)
    said = f" ({error.code})" if isinstance(error.code, str) else ""
    return {
        "code": "abrupt_exit" if code else "exit_without_result",
        "message": f"the work called sys.exit with code {code}{said} instead of returning"[:MAX_MESSAGE],
        "exit_code": code,
        "type": "SystemExit",
        "traceback": _traceback(error)[-MAX_TRACEBACK:],
    }


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001  an exception's own __str__ may raise anything
        return f"(its message cannot be shown: {type(second).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        summary = traceback.TracebackException.from_exception(error)
    except Exception:  # noqa: BLE001  as above: it calls __str__
        return ""
    _trim(summary)
    return "".join(summary.format())


def _trim(summary: traceback.TracebackException) -> None:
    frames = [f for f in summary.stack if not f.filename.startswith((_OWN, "<frozen importlib"))]
    summary.stack = traceback.StackSummary.from_list(frames)
    for other in (summary.__cause__, summary.__context__):
        if other is not None:
            _trim(other)
