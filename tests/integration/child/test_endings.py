"""However a process ends, it is told truly."""

import signal
from typing import Any

import pytest

from lastword.child.protocol import Raised, Target
from lastword.contracts.statuses import ErrorCode
from tests.integration.child.conftest import TARGETS, Stage, read_all, result_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),  # the first of them waits for CrewAI's import
]


async def test_a_return_value_is_the_result(stage: Stage) -> None:
    """The value comes as JSON, with the exit code 0."""
    ended = await stage.run("work:greet", name="Ada")
    assert {"greeting": "hello Ada", "times": 1, "mood": "warm"} == result_of(ended)
    assert (0, None) == (ended.exit_code, ended.signal)
    assert ("hello Ada",) == ended.last_lines


async def test_an_async_function_is_awaited(stage: Stage) -> None:
    """Its coroutine runs in an event loop of the process."""
    assert "hello Ada" == result_of(await stage.run("work:greet_later", name="Ada"))


async def test_an_exception_is_told_with_its_cause(stage: Stage) -> None:
    """Type, message and traceback come, and none of lastword's own frames."""
    ended = await stage.run("work:raises")
    error = ended.error
    assert error is not None
    assert ErrorCode.EXCEPTION == error.code
    assert "ValueError: it broke" == error.message
    assert "ValueError" == error.type
    assert "the cause" in (error.traceback or "")
    assert "in raises" in (error.traceback or "")
    assert "lastword/child" not in (error.traceback or "")
    assert 1 == ended.exit_code


@pytest.mark.parametrize(
    ("how", "code", "exit_code", "signal_name"),
    [
        ("kill", ErrorCode.ABRUPT_EXIT, None, "SIGKILL"),
        ("term", ErrorCode.ABRUPT_EXIT, None, "SIGTERM"),
        ("segv", ErrorCode.ABRUPT_EXIT, None, "SIGSEGV"),
        ("os-exit-0", ErrorCode.EXIT_WITHOUT_RESULT, 0, None),
        ("os-exit-3", ErrorCode.ABRUPT_EXIT, 3, None),
        ("sys-exit-0", ErrorCode.EXIT_WITHOUT_RESULT, 0, None),
        ("sys-exit-3", ErrorCode.ABRUPT_EXIT, 3, None),
        ("sys-exit-text", ErrorCode.ABRUPT_EXIT, 1, None),
    ],
)
async def test_an_end_without_a_result_is_no_success(
    stage: Stage, how: str, code: ErrorCode, exit_code: int | None, signal_name: str | None
) -> None:
    """Neither exit code 0 nor a signal is taken for a result; what was printed last is kept."""
    ended = await stage.run("work:dies", how=how)
    error = ended.error
    assert error is not None
    assert (code, exit_code, signal_name) == (error.code, error.exit_code, error.signal)
    assert (exit_code, signal_name) == (ended.exit_code, ended.signal)
    assert ("last words",) == ended.last_lines


async def test_what_was_written_before_a_kill_is_read(stage: Stage) -> None:
    """The pipes are read to their end after the process is gone."""
    child = await stage.spawn("work:write_and_die")
    _, lines = await read_all(child)
    assert [f"stdout: line {number}" for number in range(2_000)] == lines[1:]
    assert "SIGKILL" == (await child.ended()).signal


async def test_a_large_result_passes(stage: Stage) -> None:
    """Five megabytes come through whole."""
    assert 5_000_000 == len(result_of(await stage.run("work:text_of", size=5_000_000)))


async def test_a_result_beyond_the_bound_fails(stage: Stage) -> None:
    """It is refused where it arises, with both sizes in the message."""
    target = Target(run="work:text_of", base_dir=str(TARGETS))
    ended = await (await stage.start(target, {"size": 2_000}, max_result_bytes=1_000)).ended()
    assert ended.error is not None
    assert ErrorCode.EXCEPTION == ended.error.code
    assert "result too large: 2,002 bytes of JSON, and 1,000 are allowed" == ended.error.message


async def test_a_result_that_is_no_json_fails(stage: Stage) -> None:
    """The message names the class that is the trouble."""
    error = (await stage.run("work:unserialisable")).error
    assert error is not None
    assert "the result is no JSON: builtins.object cannot be written as JSON" == error.message


async def test_not_a_number_becomes_null_with_a_warning(stage: Stage) -> None:
    """JSON has no NaN, and the rest of the result is worth keeping."""
    ended = await stage.run("work:not_a_number")
    assert {"value": None, "one": 1.0} == result_of(ended)
    assert 1 == len(ended.warnings)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "name: required, and missing"),
        ({"name": 3}, "name: Expected `str`, got `int`"),
        ({"name": "Ada", "mood": "hot"}, "mood: Invalid enum value 'hot'"),
        ({"name": "Ada", "colour": "red"}, "colour: unknown; the inputs are: name, times, mood"),
        ({"times": "x"}, "times: Expected `int`, got `str`; name: required, and missing"),
    ],
)
async def test_bad_inputs_name_the_field(stage: Stage, inputs: dict[str, Any], message: str) -> None:
    """The work is not called at all."""
    ended = await stage.run("work:greet", **inputs)
    assert ended.error is not None
    assert ErrorCode.INVALID_INPUTS == ended.error.code
    assert message == ended.error.message
    assert () == ended.last_lines


async def test_inputs_are_converted_to_their_annotations(stage: Stage) -> None:
    """A dataclass and a pydantic model arrive as such, and go back as JSON."""
    ended = await stage.run("work:typed", point={"x": 1}, person={"name": "Ada"})
    expected = {"point": {"x": 1, "y": 0}, "person": {"name": "Ada", "age": 0}}
    assert expected == result_of(ended)


async def test_a_field_inside_an_input_is_named(stage: Stage) -> None:
    """Both readers say where in the value the trouble is."""
    ended = await stage.run("work:typed", point={"x": "one"}, person={"name": "Ada", "age": "old"})
    assert ended.error is not None
    assert "point: Expected `int`, got `str` - at `$.x`" in ended.error.message
    assert " at age" in ended.error.message


async def test_code_that_cannot_be_loaded_never_began(stage: Stage) -> None:
    """It is a failure to spawn, not of the work."""
    ended = await stage.run("broken_import:work")
    assert ended.error is not None
    assert ErrorCode.SPAWN_FAILED == ended.error.code
    assert "there_is_no_such_module" in ended.error.message


async def test_threads_that_still_run_do_not_hold_the_process(stage: Stage) -> None:
    """The process ends with its result, whatever else it had begun."""
    assert "returned" == result_of(await stage.run("work:hang_with_thread"))


async def test_a_forked_copy_has_no_say(stage: Stage) -> None:
    """A copy that comes back to the runner neither reports progress nor ends the run."""
    ended = await stage.run("work:fork")
    assert "the original" == result_of(ended)
    assert ended.progress is None


async def test_the_end_is_dated_on_both_clocks(stage: Stage) -> None:
    """The wall clock is in UTC; both are taken when the kernel spoke."""
    child = await stage.spawn("work:hang")
    child.kill()
    ended = await child.ended()
    assert signal.SIGKILL.name == ended.signal
    assert ended.finished_at.utcoffset() is not None
    assert ended.ended_at_s > 0
    assert not child.alive


async def test_rubbish_on_the_private_pipe_is_no_result(stage: Stage) -> None:
    """Lines that cannot be read, and one beyond any bound, are noted and passed over."""
    target = Target(run="work:type_json_on_the_pipe", base_dir=str(TARGETS))
    child = await stage.start(target, {"size": 3_000_000}, max_result_bytes=1_000)
    _, lines = await read_all(child)
    assert "written" == result_of(await child.ended())
    assert 2 == sum("a message could not be read" in line for line in lines)
    assert 1 == sum("longer than allowed" in line for line in lines)


async def test_a_tool_that_exits_is_no_success(stage: Stage) -> None:
    """`sys.exit(0)` inside a crew's tool comes out as what it is."""
    ended = await stage.run("crews:exiting_tool")
    assert isinstance(ended.final, Raised)
    assert ErrorCode.EXIT_WITHOUT_RESULT == ended.final.error.code


async def test_a_failing_flow_is_told(stage: Stage) -> None:
    """The exception of a step reaches the caller as it was raised."""
    ended = await stage.run("crews:Failing")
    assert ended.error is not None
    assert "RuntimeError: the step broke" == ended.error.message
