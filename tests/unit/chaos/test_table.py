"""The table says of each fault how workflows ended under it, and how soon that was told."""

from tests.chaos.history import Client, Faulted, History, Lived, Recorded, Told
from tests.chaos.table import render


def _record(workflow: str, position: int, status: str, code: str | None = None) -> Recorded:
    return Recorded(
        position=position,
        workflow=workflow,
        status=status,
        how="returns",
        stored_s=5.1,
        executor="executor-0-1",
        code=code,
    )


def _lived(workflow: str) -> Lived:
    return Lived(workflow=workflow, pid=1, began_s=1.0, word="returns", ended_s=5.0)


def _told(workflow: str, at_s: float, status: str) -> Told:
    return Told(at_s=at_s, kind="status", workflow=workflow, position=1, status=status)


def test_each_workflow_stands_in_the_row_of_what_struck_it() -> None:
    """A verdict is shown as lost, a time as seconds from the process's end to the first telling."""
    history = History(
        lived=(_lived("hit"), _lived("spared")),
        faults=(Faulted(kind="kill child", target="hit", began_s=5.0, ended_s=5.0),),
        acknowledged=(),
        log=(_record("hit", 1, "failed", "executor_lost"), _record("spared", 2, "success")),
        clients=(
            Client(
                name="c",
                wire="ws",
                promised=True,
                follows=None,
                told=(_told("hit", 6.5, "failed"), _told("spared", 5.25, "success")),
            ),
        ),
        database="",
        replay="",
    )

    assert [
        "| none |  | 1 | 1 | 0 | 0 | 0 | 0.250 s | 0.250 s | 0.250 s |",
        "| kill child | 1 | 1 | 0 | 0 | 1 | 0 | 1.500 s | 1.500 s | 1.500 s |",
    ] == render(history).splitlines()[2:]
