"""What is seen of crews and flows while they run through CrewAI's true provider path."""

import pytest

from lastword.child.protocol import Progressed, Waiting
from lastword.contracts.statuses import ErrorCode
from tests.integration.child.conftest import Stage, read_all, result_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),  # the first of them waits for CrewAI's import
]


async def test_a_crew_is_followed_task_by_task(stage: Stage) -> None:
    """Tasks are counted and dated, tokens are summed, and the log tells who does what."""
    child = await stage.spawn("crews:good")
    messages, lines = await read_all(child)
    ended = await child.ended()
    result = result_of(ended)
    assert {"raw", "json", "tasks"} == result.keys()
    assert ["task 1", "task 2"] == [task["name"] for task in result["tasks"]]
    assert {"Tester"} == {task["agent"] for task in result["tasks"]}
    counted = [message.progress.done for message in messages if isinstance(message, Progressed)]
    assert sorted(counted) == counted
    assert ended.progress is not None
    assert (2, 2, "task 2") == (ended.progress.done, ended.progress.total, ended.progress.label)
    assert ["task 1", "task 2"] == [task.label for task in ended.progress.tasks]
    assert all(
        task.started_at and task.finished_at and task.started_at <= task.finished_at
        for task in ended.progress.tasks
    )
    assert ended.usage is not None
    assert 4 == ended.usage.calls
    assert ended.usage.prompt_tokens + ended.usage.completion_tokens == ended.usage.total_tokens > 0
    assert [
        "lastword: loading crews:good",
        "lastword: crew test started: 2 tasks",
        "lastword: task started: task 1 (Tester)",
    ] == lines[:3]
    assert "lastword: Tester: calls act({'reason': 'tests'})" in lines
    assert "lastword: task finished: task 2" in lines
    assert () == ended.warnings


async def test_an_instance_runs_as_well(stage: Stage) -> None:
    """A Crew made at import."""
    assert 2 == len(result_of(await stage.run("crews:good_instance"))["tasks"])


async def test_a_structured_result_comes_as_json(stage: Stage) -> None:
    """CrewAI's pydantic output is kept beside its text."""
    result = result_of(await stage.run("crews:structured"))
    assert {"title", "points"} == result["json"].keys()


async def test_a_streaming_crew_is_read_to_its_end(stage: Stage) -> None:
    """`stream=True` makes kickoff do nothing until it is read."""
    ended = await stage.run("crews:streaming")
    assert 2 == len(result_of(ended)["tasks"])
    assert ended.progress is not None
    assert 2 == ended.progress.done


async def test_a_crew_in_a_plain_thread_is_followed_too(stage: Stage) -> None:
    """CrewAI's stream sinks miss it; its event bus does not."""
    ended = await stage.run("crews:in_plain_thread")
    assert isinstance(result_of(ended), str)
    assert ended.progress is not None
    assert (2, 2) == (ended.progress.done, ended.progress.total)
    assert ended.usage is not None
    assert 4 == ended.usage.calls


async def test_a_failing_tool_makes_a_success_with_a_warning(stage: Stage) -> None:
    """CrewAI calls it a success, and a reader should know better."""
    ended = await stage.run("crews:failing_tool")
    assert ended.error is None
    assert ("tool act failed in task 1: no network",) == ended.warnings


async def test_an_agent_out_of_steps_makes_a_warning(stage: Stage) -> None:
    """CrewAI makes it answer whatever it has."""
    ended = await stage.run("crews:exhausted")
    assert ended.error is None
    assert 1 == len(ended.warnings)
    assert "max_iter" in ended.warnings[0]


@pytest.mark.parametrize(
    ("run", "asked"),
    [
        ("crews:asks_person", "a person's feedback on a task's result"),
        ("crews:Asking", "a person's answer: Which way?"),
        ("crews:Reviewed", "a person's feedback: Is it good?"),
        ("crews:Paused", "a person's feedback: Is it good?"),
    ],
)
async def test_who_asks_a_person_fails_instead_of_hanging(stage: Stage, run: str, asked: str) -> None:
    """What was asked is told first, and stands in the error."""
    child = await stage.spawn(run)
    messages, _ = await read_all(child)
    ended = await child.ended()
    assert ended.error is not None
    assert ErrorCode.EXCEPTION == ended.error.code
    assert f"the work waits for {asked}" in ended.error.message
    waits = [message.waiting_for for message in messages if isinstance(message, Waiting)]
    assert run == "crews:Paused" or waits[-1] is not None


async def test_a_flow_goes_its_way_with_a_crew_inside(stage: Stage) -> None:
    """Steps and tasks are listed, the crew's tasks are counted, its output is plain JSON."""
    ended = await stage.run("crews:Routed", depth=2, topic="moons")
    result = result_of(ended)
    assert "moons" == result["topic"]
    assert {"raw", "json", "tasks"} == result["crew"].keys()
    assert ended.progress is not None
    assert ["begin", "choose", "go_deep", "task 1"] == [task.label for task in ended.progress.tasks]
    assert (1, 1) == (ended.progress.done, ended.progress.total)


async def test_a_flow_may_count_by_itself(stage: Stage) -> None:
    """`lastword.progress` sets the counts where no crew does."""
    ended = await stage.run("crews:Routed")
    assert {"topic": "tides"} == result_of(ended)
    assert ended.progress is not None
    assert (3, 4, "staying flat") == (ended.progress.done, ended.progress.total, ended.progress.label)


async def test_a_flow_has_its_memory_when_it_asks_for_it(stage: Stage) -> None:
    """It is opened at first use, in the run's own folder."""
    assert 1 == result_of(await stage.run("crews:Remembering"))
    assert list((stage.folder / "run").rglob("*.lance"))


async def test_a_model_that_cannot_be_reached_fails_the_crew(stage: Stage) -> None:
    """The provider's words reach the error, and its retries the log."""
    child = await stage.spawn("crews:misspelt_model")
    _, lines = await read_all(child)
    error = (await child.ended()).error
    assert error is not None
    assert ErrorCode.EXCEPTION == error.code
    assert "Connection error" in error.message
    assert any("gpt-4o-mini failed" in line for line in lines)


async def test_the_research_example_runs_as_it_is_packed(stage: Stage) -> None:
    """Four tasks, two tools, a brief in Markdown."""
    ended = await stage.run("lastword.examples.research:crew", topic="tidal power")
    result = result_of(ended)
    assert 4 == len(result["tasks"])
    assert "# Tidal power" in result["raw"]
    assert () == ended.warnings
    assert ended.usage is not None
    assert 6 == ended.usage.calls


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("I was charged twice for an invoice", "billing"),
        ("The app crashes", "bug"),
        ("Hello there", "question"),
    ],
)
async def test_the_triage_example_takes_the_right_way(stage: Stage, message: str, kind: str) -> None:
    """The router decides by what the model said."""
    result = result_of(await stage.run("lastword.examples.triage:SupportTriage", message=message))
    assert kind == result["kind"]


async def test_the_plain_examples_run(stage: Stage) -> None:
    """One function and one coroutine."""
    counted = result_of(await stage.run("lastword.examples.functions:count_words", text="a b a", top=1))
    assert {"words": 3, "different": 2, "most_frequent": {"a": 2}} == counted
    waited = result_of(await stage.run("lastword.examples.functions:wait", seconds=0.01, steps=2))
    assert "waited 0.01 seconds" == waited
