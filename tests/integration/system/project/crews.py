"""Crews whose tools misbehave."""

import sys
import time
from collections.abc import Callable
from typing import Any

from crewai import Agent, Crew, Task
from crewai.tools import BaseTool


class Misbehaving(BaseTool):
    """Calls what it was given."""

    name: str = "misbehave"
    description: str = "Does something that it should not do."
    act: Callable[[], Any]

    def _run(self, reason: str = "") -> str:
        """Misbehave."""
        return str(self.act())


def _crew(act: Callable[[], Any]) -> Crew:
    agent = Agent(
        role="Tester", goal="Call the tool", backstory="You test tools.", tools=[Misbehaving(act=act)]
    )
    tasks = [
        Task(name=name, description=f"Do the {name}.", expected_output="A sentence.", agent=agent)
        for name in ("first", "second")
    ]
    return Crew(agents=[agent], tasks=tasks)


def exiting() -> Crew:
    """Return a crew with a tool that calls `sys.exit(0)`."""
    return _crew(lambda: sys.exit(0))


def hanging() -> Crew:
    """Return a crew with a tool that hangs."""

    def hang() -> None:
        print("the tool hangs", flush=True)
        time.sleep(600)

    return _crew(hang)


def brief() -> Crew:
    """Return a crew whose tool behaves."""
    return _crew(lambda: "Tides turn twice a day.")
