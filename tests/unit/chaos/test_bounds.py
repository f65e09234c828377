"""What has a bound stands in the row of what happened to it, apart where other things happened as well."""

import pytest

from tests.chaos.bounds import render_bounds
from tests.chaos.history import Client, Faulted, History, Lived, Recorded, Told


def _row(code: str | None, *faults: Faulted, ended_s: float = 50.0) -> list[str]:
    """Return the cells of the one row that is filled, for a workflow that was told 2 s after its end."""
    told_s = 52.0
    history = History(
        lived=(Lived(workflow="w", pid=1, began_s=40.0, word="returns", ended_s=ended_s),),
        faults=faults,
        acknowledged=(),
        log=(
            Recorded(
                position=1,
                workflow="w",
                status="failed" if code else "success",
                how="returns",
                stored_s=told_s - 0.1,
                executor="x0-1",
                code=code,
            ),
        ),
        clients=(
            Client(
                name="c",
                wire="ws",
                promised=True,
                follows=None,
                told=(Told(at_s=told_s, kind="status", workflow="w", position=1, status="failed"),),
            ),
        ),
        database="",
        replay="",
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in render_bounds(history).splitlines()]
    nothing: list[str] = []
    return next((row for row in rows[2:] if "1" in row), nothing)


def _fault(kind: str, began_s: float, ended_s: float, target: str = "x0-1") -> Faulted:
    return Faulted(kind=kind, target=target, began_s=began_s, ended_s=ended_s)


@pytest.mark.parametrize(
    ("code", "fault", "what"),
    [
        (None, None, "child raises or returns"),
        ("exception", None, "child raises or returns"),
        ("abrupt_exit", _fault("kill child", 50.0, 50.0, "w"), "child is killed, segfaults, `os._exit`"),
        ("executor_lost", _fault("kill executor", 50.0, 50.0), "executor is killed"),
        ("heartbeat_timeout", _fault("vanish executor", 50.0, 50.0), "executor's host vanishes"),
    ],
)
def test_what_happened_alone_is_measured_from_the_process_s_end(
    code: str | None, fault: Faulted | None, what: str
) -> None:
    """Its own fault is no other one."""
    row = _row(code, *([fault] if fault else []))

    assert what == row[0]
    assert ["1", "2.000 s", "2.000 s", "2.000 s", "0", "", "", ""] == row[2:]


def test_what_is_cut_off_is_measured_from_then() -> None:
    """Its process still runs when it is given up."""
    row = _row("executor_lost", _fault("unplug executor", 48.0, 60.0), ended_s=55.0)

    assert ["executor is cut off", "18 s", "1", "4.000 s"] == row[:4]


def test_what_happened_shortly_after_something_else_is_apart() -> None:
    """Elections and starts outlast the fault."""
    assert ["0", "", "", "", "1", "2.000 s", "2.000 s", "2.000 s"] == _row(
        None, _fault("kill nats", 30.0, 45.0, "nats-0-1")
    )[2:]


def test_what_no_fault_explains_is_in_no_row() -> None:
    """The judge names it, the table does not hide it among the others."""
    assert [] == _row("executor_lost")
