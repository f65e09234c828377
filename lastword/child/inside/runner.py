"""One work from its first line to its last word.

Whatever the user's code does (returns, raises, calls `sys.exit`, is asked to stop) becomes exactly one last
word on the private pipe, except where the process is ended before it can speak; the executor takes silence
for failure.
"""

import asyncio
import inspect
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import lastword
from lastword.child.inside import crews
from lastword.child.inside.failures import (
    InvalidInputs,
    LoadFailed,
    TooLarge,
    error_of,
    exit_code,
    last_lines,
)
from lastword.child.inside.loader import Loaded, is_runnable, load
from lastword.child.inside.results import as_json
from lastword.child.inside.tracker import Tracker
from lastword.child.inside.voice import Voice, encode

__all__ = ["Runner"]

BUS_FLUSH_S = 10.0  # how long handlers on CrewAI's bus, the user's among them, may still work at the end


class NeedsPerson(Exception):
    """The work asks a person, and nobody can answer yet."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the work waits for {what}. Nobody can answer it here yet, so it was ended instead of hanging"
        )


class Runner:
    """Runs one work in this process."""

    def __init__(self, voice: Voice, work: dict[str, Any]) -> None:
        self._voice = voice
        self._work = work
        self._tracker = Tracker(voice)
        self._stop = threading.Event()

    def request_stop(self, _signal: int = 0, _frame: object = None) -> None:
        """Ask the work to end between two steps: the handler of SIGUSR1."""
        self._stop.set()

    def run(self, settle: Callable[[], None]) -> int:
        """Carry the work out, say how it ended, and return the process's exit code."""
        if self._work["describe"]:
            return self._describe(settle)
        try:
            self._voice.say(f"loading {self._work['run'] or self._work['project']}")
            settle()
            loaded = self._load()
        except BaseException as error:  # noqa: BLE001  the user's code may raise anything when imported
            return self._fail(error, "spawn_failed")
        try:
            inputs = loaded.inputs.convert({**loaded.defaults, **self._work["inputs"]})
        except InvalidInputs as error:
            return self._fail(error, "invalid_inputs")
        try:
            return self._call(loaded, inputs)
        except BaseException as error:  # noqa: BLE001  the user's code may raise anything, SystemExit included
            if self._stop.is_set() and crews.is_stop(error):
                self._voice.finish(encode({"says": "stopped", **self._tracker.ending()}))
                return 1
            return self._fail(error, "exception")

    def _load(self) -> Loaded:
        if "crewai" in sys.modules:  # imported by the fork server
            crews.prepare()
        return load(run=self._work["run"], project=self._work["project"], base_dir=self._work["base_dir"])

    def _describe(self, settle: Callable[[], None]) -> int:
        try:
            settle()
            loaded = self._load()
        except BaseException as error:  # noqa: BLE001  as above
            found: dict[str, Any] = {
                "kind": "broken",
                "input_schema": {"type": "object"},
                "error": last_lines(error),
            }
        else:
            found = {
                "kind": loaded.kind,
                "input_schema": loaded.inputs.schema,
                "description": loaded.description,
            }
        found["uses_crewai"] = "crewai" in sys.modules
        self._voice.finish(encode({"says": "described", "description": found}))
        return 0

    def _call(self, loaded: Loaded, inputs: dict[str, Any]) -> int:
        lastword.listen(self._tracker.report)
        listening = "crewai" in sys.modules and self._listen()
        self._voice.tell({"says": "started", "kind": loaded.kind, "heeds_cancel": listening})
        result = _run(loaded.subject, inputs)
        _refuse_pending(result)
        if "crewai" in sys.modules:
            _flush_bus()
        body, had_nan = as_json(result)
        if had_nan:
            self._tracker.warn("the result held NaN or infinity, which JSON has not; they are null now")
        limit: int = self._work["max_result_bytes"]
        if len(body) > limit:
            raise TooLarge(len(body), limit)
        head = encode({"says": "returned", **self._tracker.ending()})
        self._voice.finish(head[:-2] + b',"result":' + body + b"}\n")
        return 0

    def _listen(self) -> bool:
        try:
            crews.attach(
                self._tracker, self._voice, is_stopping=self._stop.is_set, needs_person=self._give_up
            )
        except (ImportError, AttributeError, LookupError, TypeError) as error:
            # Another version, in an interpreter of the project's own: it runs, and shows less.
            self._tracker.warn(f"no progress is shown, as this version of CrewAI is not understood: {error}")
            return False
        return True

    def _fail(self, error: BaseException, code: str) -> int:
        if isinstance(error, LoadFailed):
            code = "spawn_failed"
        self._voice.finish(
            encode({"says": "raised", "error": error_of(error, code), **self._tracker.ending()})
        )
        return exit_code(error) if isinstance(error, SystemExit) else 1

    def _give_up(self, what: str) -> NoReturn:
        """End at once, from whatever thread: CrewAI would take an exception for the person's silence."""
        self._tracker.wait_for(what)
        code = self._fail(NeedsPerson(what), "exception")
        sys.stdout.flush()
        os._exit(code)


def _run(subject: Any, inputs: dict[str, Any]) -> Any:
    """Call a function or kick off a crew or flow; what a function returns may itself have to be run."""
    if not is_runnable(subject):
        result = subject(**inputs)
        if inspect.isawaitable(result):
            result = asyncio.run(_await(result))
        return _run(result, inputs) if is_runnable(result) else result
    result = subject.kickoff(inputs=inputs)
    if _is_stream(result):  # `stream=True`: nothing runs until it is read
        for _ in result:
            pass
        result = result.result
    return result


async def _await(awaitable: Any) -> Any:
    return await awaitable


def _is_stream(value: Any) -> bool:
    names = {one.__name__ for one in type(value).__mro__}
    return not names.isdisjoint({"StreamingOutputBase", "StreamSessionBase"})


def _refuse_pending(result: Any) -> None:
    """Raise where a flow was paused by a provider of its own: it returns that as if it were its result."""
    if type(result).__name__ == "HumanFeedbackPending":
        raise NeedsPerson(f"a person's feedback: {result.context.message}")


def _flush_bus() -> None:
    from crewai.events import crewai_event_bus

    crewai_event_bus.flush(timeout=BUS_FLUSH_S)
