"""Listening to CrewAI from inside: progress, tokens, warnings, log lines, and the request to stop.

Events come by a stream sink, which CrewAI calls inline, in order, for every event of this context; handlers
of its event bus come late and out of order (17 of 20 runs measured), but also hear crews that the work
starts in plain threads.  Both are listened to, and an event is taken once, by its id.  The sink is internal
to CrewAI, and what it raises would end the crew: everything is caught here, and said once.

Only the return of `kickoff` is an end; no event is: `flow_finished` comes from each agent's inner flow too,
and failures repeat with every retry.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from lastword.child.inside.memory import open_lazily
from lastword.child.inside.tracker import Tracker, shorten
from lastword.child.inside.voice import Voice

__all__ = ["Listener", "attach"]

Handler = Callable[[Any, Any], None]


def prepare() -> None:
    """Make CrewAI quick and quiet before the work is loaded; what another version lacks is left as it is."""
    logging.getLogger("crewai.llms.base_llm").addFilter(_is_news)
    with contextlib.suppress(ImportError, AttributeError):
        open_lazily()


def _is_news(record: logging.LogRecord) -> bool:
    """Drop a warning that CrewAI repeats for every call of a model whose tokens it cannot count itself."""
    return not str(record.msg).startswith("Using an approximate input token count")


def attach(
    tracker: Tracker, voice: Voice, *, is_stopping: Callable[[], bool], needs_person: Callable[[str], Any]
) -> None:
    """Listen to everything that CrewAI does in this process from now on."""
    from crewai.events import crewai_event_bus, stream_context
    from crewai.events.event_types import EventTypes
    from crewai.hooks import HookAborted, InterceptionPoint, register_hook

    listener = Listener(tracker, voice)
    stream_context.add_stream_sink(listener.hear)
    for event_class in EventTypes.__args__:
        if event_class.model_fields["type"].default in listener.handlers:
            crewai_event_bus.on(event_class)(listener.hear)

    def stop_if_asked(_context: Any) -> None:
        if is_stopping():
            raise HookAborted("asked to stop", source="lastword")

    for point in (InterceptionPoint.PRE_STEP, InterceptionPoint.PRE_MODEL_CALL):
        register_hook(point, stop_if_asked)
    _watch_iterations(tracker)
    _answer_for_people(needs_person)


def is_stop(error: BaseException) -> bool:
    """Tell whether it is the exception that `attach` raised, or was raised because of it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if getattr(current, "source", None) == "lastword":
            return True
        current = current.__cause__ or current.__context__
    return False


def _watch_iterations(tracker: Tracker) -> None:
    """Notice an agent that ran out of steps: CrewAI makes it answer and calls that a success."""
    import crewai.agents.agent_executor
    import crewai.lite_agent

    for module in (crewai.agents.agent_executor, crewai.lite_agent):
        inner = getattr(module, "handle_max_iterations_exceeded", None)
        if inner is None:
            continue

        def warning(*args: Any, _inner: Callable[..., Any] = inner, **kwargs: Any) -> Any:
            tracker.warn("an agent used up its steps (max_iter) and was made to answer: it may not be done")
            return _inner(*args, **kwargs)

        setattr(module, "handle_max_iterations_exceeded", warning)  # noqa: B010  no type checker knows it


def _answer_for_people(needs_person: Callable[[str], Any]) -> None:
    """Take the place of the terminal at which CrewAI would ask a person. A flow's own provider goes first."""
    from crewai.core.providers.human_input import SyncHumanInputProvider, set_provider
    from crewai.flow.flow_config import flow_config

    class NobodyAtTheTerminal(SyncHumanInputProvider):
        @staticmethod
        def _prompt_input(crew: Any) -> str:  # noqa: ARG004
            return str(needs_person("a person's feedback on a task's result (human_input=True)"))

        @staticmethod
        async def _prompt_input_async(crew: Any) -> str:  # noqa: ARG004
            return str(needs_person("a person's feedback on a task's result (human_input=True)"))

        def request_feedback(self, context: Any, flow: Any) -> str:  # noqa: ARG002
            return str(needs_person(f"a person's feedback: {context.message}"))

        def request_input(self, message: str, flow: Any, metadata: Any = None) -> str:  # noqa: ARG002
            return str(needs_person(f"a person's answer: {message}"))

    provider: Any = NobodyAtTheTerminal()
    set_provider(provider)
    flow_config.hitl_provider = provider
    flow_config.input_provider = provider


class Listener:
    """Turns CrewAI's events into progress and into short lines of the log."""

    def __init__(self, tracker: Tracker, voice: Voice) -> None:
        self._tracker = tracker
        self._voice = voice
        self._lock = threading.Lock()
        self._seen: dict[str, None] = {}  # ids of events, oldest first
        self._running: dict[str, str] = {}  # id of the event that began it, by task or method
        self._broken = False
        self.handlers: dict[str, Handler] = {
            "crew_kickoff_started": self._crew_started,
            "task_started": self._task_started,
            "task_completed": self._task_completed,
            "task_failed": self._task_failed,
            "tool_usage_started": self._tool_started,
            "tool_usage_finished": self._tool_finished,
            "tool_usage_error": self._tool_failed,
            "llm_call_completed": self._model_answered,
            "llm_call_failed": self._model_failed,
            "llm_guardrail_completed": self._guardrail_completed,
            "method_execution_started": self._method_started,
            "method_execution_finished": self._method_finished,
            "method_execution_failed": self._method_failed,
            "human_feedback_requested": self._person_asked,
            "human_feedback_received": self._person_answered,
            "flow_input_requested": self._person_asked,
            "flow_input_received": self._person_answered,
        }

    def hear(self, source: Any, event: Any) -> None:
        """Take one event, unless it was taken before. Raises nothing."""
        handler = self.handlers.get(event.type)
        if handler is None:
            return
        try:
            with self._lock:
                if event.event_id in self._seen:
                    return
                self._seen[event.event_id] = None
                if len(self._seen) > 4096:
                    del self._seen[next(iter(self._seen))]
            handler(source, event)
        except Exception as error:  # noqa: BLE001  it would end the crew
            if not self._broken:
                self._broken = True
                self._voice.say(
                    f"lastword could not read a {event.type} event: {type(error).__name__}: {error}"
                )

    def _crew_started(self, source: Any, event: Any) -> None:
        count = len(source.tasks)
        self._voice.say(
            f"crew {event.crew_name or ''} started: {count} task{'s' * (count != 1)}".replace("  ", " ")
        )
        self._tracker.expect_tasks(count)

    def _task_started(self, source: Any, event: Any) -> None:
        label = shorten(source.name or source.description or "task")
        role = getattr(getattr(source, "agent", None), "role", None)
        self._voice.say(f"task started: {label}" + (f" ({shorten(role, 80)})" if role else ""))
        self._begin(str(event.task_id), event.event_id, label)

    def _task_completed(self, source: Any, event: Any) -> None:
        label = shorten(source.name or source.description or "task")
        self._voice.say(f"task finished: {label}")
        for failure in getattr(event.output, "tool_failures", None) or ():
            self._tracker.warn(f"tool {failure.tool_name} failed in {label}: {failure.message}")
        self._finish(str(event.task_id))

    def _task_failed(self, source: Any, event: Any) -> None:
        label = shorten(getattr(source, "name", None) or getattr(source, "description", None) or "task")
        self._voice.say(f"task failed: {label}: {shorten(event.error, 500)}")

    def _tool_started(self, _source: Any, event: Any) -> None:
        who = f"{shorten(event.agent_role, 80)}: " if event.agent_role else ""
        self._voice.say(f"{who}calls {event.tool_name}({shorten(str(event.tool_args), 200)})")

    def _tool_finished(self, _source: Any, event: Any) -> None:
        seconds = (event.finished_at - event.started_at).total_seconds()
        how = "from its cache" if event.from_cache else f"in {seconds:.1f} s"
        self._voice.say(f"{event.tool_name} answered {how}: {shorten(str(event.output), 200)}")
        self._tracker.settle()

    def _tool_failed(self, _source: Any, event: Any) -> None:
        self._voice.say(f"{event.tool_name} failed: {shorten(str(event.error), 500)}")

    def _model_answered(self, _source: Any, event: Any) -> None:
        usage: dict[str, Any] = event.usage or {}
        prompt = int(usage.get("prompt_tokens") or usage.get("input_tokens") or 0)
        completion = int(usage.get("completion_tokens") or usage.get("output_tokens") or 0)
        total = int(usage.get("total_tokens") or prompt + completion)
        self._voice.say(f"{event.model or 'the model'} answered: {total} tokens")
        self._tracker.add_usage(prompt, completion, total)

    def _model_failed(self, _source: Any, event: Any) -> None:
        self._voice.say(f"{event.model or 'the model'} failed: {shorten(event.error, 500)}")

    def _guardrail_completed(self, _source: Any, event: Any) -> None:
        if not event.success:
            self._voice.say(f"a guardrail refused the answer: {shorten(str(event.error), 500)}")

    def _method_started(self, source: Any, event: Any) -> None:
        if _is_inner(source):
            return
        self._voice.say(f"step started: {event.method_name}")
        self._begin(f"{id(source)}.{event.method_name}", event.event_id, event.method_name)

    def _method_finished(self, source: Any, event: Any) -> None:
        if _is_inner(source):
            return
        self._voice.say(f"step finished: {event.method_name}")
        self._finish(f"{id(source)}.{event.method_name}", is_step=True)

    def _method_failed(self, source: Any, event: Any) -> None:
        if not _is_inner(source):
            self._voice.say(f"step failed: {event.method_name}: {shorten(str(event.error), 500)}")

    def _person_asked(self, _source: Any, event: Any) -> None:
        self._voice.say(f"a person is asked: {shorten(event.message, 500)}")
        self._tracker.wait_for(event.message)

    def _person_answered(self, _source: Any, _event: Any) -> None:
        self._tracker.wait_for(None)

    def _begin(self, what: str, event_id: str, label: str) -> None:
        with self._lock:
            self._running[what] = event_id  # the same task may run again, in a loop of a flow
        self._tracker.begin_task(event_id, label)

    def _finish(self, what: str, *, is_step: bool = False) -> None:
        with self._lock:
            key = self._running.pop(what, "")
        self._tracker.finish_task(key, is_step=is_step)


def _is_inner(flow: Any) -> bool:
    """Tell CrewAI's own flows (each agent runs in one, memory in two) from the user's."""
    return bool(getattr(flow, "_skip_auto_memory", False)) and type(flow).__module__.startswith("crewai.")
