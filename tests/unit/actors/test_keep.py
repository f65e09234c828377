"""Keeping a task alive, and knowing when to give up."""

import asyncio
from collections.abc import Callable

import pytest

from lastword.actors.exceptions import Escalated
from lastword.actors.keep import keep
from lastword.bus import Unavailable


class Work:
    """Fails as it is told, and notes when it was begun."""

    def __init__(self, *failures: Callable[[], BaseException] | None, each_takes_s: float = 0.0) -> None:
        self._failures = list(failures)
        self._each_takes_s = each_takes_s
        self.began_at_s: list[float] = []

    async def __call__(self) -> None:
        """Fail, until there are no failures left or the next is None."""
        self.began_at_s.append(round(asyncio.get_running_loop().time(), 3))
        await asyncio.sleep(self._each_takes_s)
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            raise failure()


def _unavailable() -> Unavailable:
    return Unavailable("the log")


def _group() -> ExceptionGroup[Exception]:
    return ExceptionGroup("both", [_unavailable(), ExceptionGroup("inner", [_unavailable()])])


def _mixed() -> ExceptionGroup[Exception]:
    return ExceptionGroup("both", [_unavailable(), ValueError("a bug")])


async def test_what_returns_is_done() -> None:
    """It is not begun again."""
    work = Work()
    await keep("work", work)
    assert [0.0] == work.began_at_s


async def test_what_fails_is_begun_again_with_growing_pauses() -> None:
    """0.1 s, doubling."""
    work = Work(*[ValueError] * 5)
    await keep("work", work)
    assert [0.0, 0.1, 0.3, 0.7, 1.5, 3.1] == work.began_at_s


async def test_pauses_grow_to_two_seconds() -> None:
    """And no further."""
    work = Work(*[ValueError] * 8)
    await keep("work", work, restarts=10)
    assert [1.6, 2.0, 2.0, 2.0] == [
        round(after - before, 3)
        for before, after in zip(work.began_at_s[4:], work.began_at_s[5:], strict=False)
    ]


async def test_failing_too_often_escalates() -> None:
    """The error says who, and carries the last cause; the group above falls."""
    work = Work(*[ValueError] * 9)
    with pytest.raises(Escalated, match="work failed more than 5 times within 60 s") as escalated:
        await keep("work", work)
    assert "work" == escalated.value.name
    assert isinstance(escalated.value.__cause__, ValueError)
    assert 6 == len(work.began_at_s)


async def test_slow_failures_do_not_escalate() -> None:
    """Only those of the last minute count."""
    work = Work(*[ValueError] * 20, each_takes_s=15.0)
    await keep("work", work)
    assert 21 == len(work.began_at_s)


@pytest.mark.parametrize("failure", [_unavailable, _group])
async def test_what_is_unavailable_is_waited_for_without_a_limit(
    failure: Callable[[], BaseException],
) -> None:
    """Nothing of ours has failed, so nothing is counted."""
    work = Work(*[failure] * 100)
    await keep("work", work)
    assert 101 == len(work.began_at_s)
    assert 30.0 == pytest.approx(work.began_at_s[-1])


async def test_a_bug_among_what_is_unavailable_is_a_failure() -> None:
    """A group is unavailable only where all of it is."""
    with pytest.raises(Escalated):
        await keep("work", Work(*[_mixed] * 9))


async def test_being_cancelled_is_no_failure() -> None:
    """`CancelledError` is never swallowed."""
    work = Work(each_takes_s=100.0)
    kept = asyncio.create_task(keep("work", work))
    await asyncio.sleep(1.0)
    kept.cancel()
    with pytest.raises(asyncio.CancelledError):
        await kept
    assert 1 == len(work.began_at_s)
