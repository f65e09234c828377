"""Crews and flows that behave, and some that do not."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crewai import Agent, Crew, Task
from crewai.flow import Flow, human_feedback, listen, router, start
from crewai.flow.async_feedback import HumanFeedbackPending, PendingFeedbackContext
from crewai.memory.unified_memory import Memory
from crewai.tools import BaseTool
from pydantic import BaseModel

import lastword


class Act(BaseTool):
    """Does what it was made for."""

    name: str = "act"
    description: str = "Does something."
    deed: Callable[[], Any]

    def _run(self, reason: str = "") -> str:
        return str(self.deed())


def build(deed: Callable[[], Any] = lambda: "done", tasks: int = 2, **options: Any) -> Crew:
    """Build a crew with a tool."""
    agent = Agent(role="Tester", goal="Call the tool", backstory="Tests.", tools=[Act(deed=deed)])
    return Crew(
        name="test",
        agents=[agent],
        tasks=[
            Task(
                name=f"task {number}",
                description=f"Do part {number}. The topic: tests.",
                expected_output="A sentence.",
                agent=agent,
                **options,
            )
            for number in range(1, tasks + 1)
        ],
    )


def good() -> Crew:
    """Return a crew that works."""
    return build()


def about() -> Crew:
    """Return a crew with an input."""
    agent = Agent(role="Expert in {topic}", goal="Explain {topic}", backstory="Knows it.")
    task = Task(description='Explain {topic} as {"format": 1}.', expected_output="Text.", agent=agent)
    return Crew(agents=[agent], tasks=[task])


good_instance = build()


def failing_tool() -> Crew:
    """Return a crew whose tool raises."""

    def fail() -> None:
        raise OSError("no network")

    return build(fail, tasks=1)


def exiting_tool() -> Crew:
    """Return a crew whose tool calls sys.exit(0)."""
    return build(lambda: sys.exit(0), tasks=1)


def hanging_tool() -> Crew:
    """Return a crew whose tool hangs."""

    def hang() -> None:
        lastword.progress(1, 9, "hanging")
        time.sleep(600)

    return build(hang, tasks=1)


def hanging_program() -> Crew:
    """Return a crew whose tool waits for a program; its pid is left in the run's folder."""
    import os

    def hang() -> None:
        process = subprocess.Popen(["sleep", "600"])
        Path(os.environ["CREWAI_STORAGE_DIR"], "pid").write_text(str(process.pid))
        lastword.progress(1, 9, "hanging")
        process.wait()

    return build(hang, tasks=1)


def many_steps() -> Crew:
    """Return a crew with many short steps."""
    return build(lambda: time.sleep(0.05), tasks=100)


def asks_person() -> Crew:
    """Return a crew that asks a person."""
    return build(tasks=1, human_input=True)


class Facts(BaseModel):
    """Structured output."""

    title: str
    points: list[str]


def structured() -> Crew:
    """Return a crew with a structured result."""
    return build(tasks=1, output_pydantic=Facts)


def streaming() -> Crew:
    """Return a crew whose kickoff does nothing until it is read."""
    crew = build()
    crew.stream = True
    return crew


def exhausted() -> Crew:
    """Return a crew whose agent has but one step."""
    crew = build(tasks=1)
    crew.agents[0].max_iter = 1
    return crew


def in_plain_thread() -> str:
    """Run a crew in a thread of its own, where CrewAI's context is missing."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(str(build().kickoff())))
    thread.start()
    thread.join()
    return found[0]


def misspelt_model() -> Crew:
    """Return a crew whose model does not exist at the endpoint."""
    from crewai import LLM

    agent = Agent(
        role="Tester", goal="g", backstory="b", llm=LLM(model="gpt-4o-mini", base_url="http://127.0.0.1:9/v1")
    )
    return Crew(agents=[agent], tasks=[Task(description="d", expected_output="o", agent=agent)])


class State(BaseModel):
    """A flow's state."""

    id: str = ""
    topic: str = "tides"
    depth: int = 1


class Routed(Flow[State]):
    """Go one way or the other."""

    @start()
    def begin(self) -> str:
        """Begin."""
        return "deep" if self.state.depth > 1 else "flat"

    @router(begin)
    def choose(self, way: str) -> str:
        """Choose."""
        return way

    @listen("deep")
    def go_deep(self) -> dict[str, Any]:
        """Run a crew."""
        return {"topic": self.state.topic, "crew": build(tasks=1).kickoff()}

    @listen("flat")
    def stay_flat(self) -> dict[str, Any]:
        """Say how far it got."""
        lastword.progress(3, 4, "staying flat")
        return {"topic": self.state.topic}


class Asking(Flow[State]):
    """Ask somebody in the middle."""

    @start()
    def ask_somebody(self) -> str | None:
        """Ask."""
        return self.ask("Which way?")


class Reviewed(Flow[State]):
    """Want a review by a person."""

    @start()
    @human_feedback(message="Is it good?")
    def draft(self) -> str:
        """Draft."""
        return "a draft"


class _Elsewhere:
    """Takes the question to another system, and pauses the flow."""

    def request_feedback(self, context: PendingFeedbackContext, flow: Flow[Any]) -> str:
        raise HumanFeedbackPending(context=context)


class Paused(Flow[State]):
    """Pause for a review elsewhere."""

    @start()
    @human_feedback(message="Is it good?", provider=_Elsewhere())
    def draft(self) -> str:
        """Draft."""
        return "a draft"


class Remembering(Flow[State]):
    """Use the flow's memory."""

    @start()
    def remember_it(self) -> int:
        """Store and find again."""
        assert isinstance(self.memory, Memory)
        self.memory.remember("The tide turns twice a day.", scope="/sea", categories=["sea"], importance=0.5)
        return len(self.memory.list_records())


class Failing(Flow[State]):
    """Fail in a step."""

    @start()
    def fail(self) -> None:
        """Fail."""
        raise RuntimeError("the step broke")
