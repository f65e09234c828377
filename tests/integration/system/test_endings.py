"""However a workflow's process ends, everyone is told the same truth, once, at once."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.backends import Backend
from tests.integration.system.harness import System
from tests.integration.system.witnesses import Witness, nats_witness, sse_witness, ws_witness
from tools.metrics_reference import described

Act = Callable[[System, str], None]


def _nothing(_system: System, _workflow_id: str) -> None:
    """Let it end by itself."""


def _cancel(system: System, workflow_id: str) -> None:
    system.await_status(workflow_id, "running")
    answer = system.post(f"/workflows/{workflow_id}/cancel")
    assert answer.json()["status"] in {"cancelling", "cancelled"}


def _kill(system: System, workflow_id: str) -> None:
    system.await_status(workflow_id, "running")
    (started,) = system.until(
        lambda: [
            line for line in system.logged("workflow.process_started") if line["workflow"] == workflow_id
        ],
        "the process",
        10,
    )
    os.kill(started["pid"], signal.SIGKILL)


ENDINGS: Final[list[tuple[str, dict[str, Any], Act, str, str | None, str]]] = [
    # definition, inputs, what is done to it, status, error code, the CLI's exit code by name
    ("add", {"a": 40}, _nothing, "success", None, "0"),
    ("raises", {"message": "no such luck"}, _nothing, "failed", "exception", "1"),
    ("dies", {"how": "kill"}, _nothing, "failed", "abrupt_exit", "1"),
    ("dies", {"how": "segv"}, _nothing, "failed", "abrupt_exit", "1"),
    ("dies", {"how": "exit-3"}, _nothing, "failed", "abrupt_exit", "1"),
    ("dies", {"how": "os-exit"}, _nothing, "failed", "exit_without_result", "1"),
    ("dies", {"how": "sys-exit"}, _nothing, "failed", "exit_without_result", "1"),
    ("steps", {"count": 600}, _kill, "failed", "abrupt_exit", "1"),
    ("steps", {"count": 600}, _cancel, "cancelled", None, "3"),
    ("late", {"count": 600}, _nothing, "failed", "deadline_exceeded", "1"),
]


async def _see_it_end(system: System, workflow_id: str, act: Act) -> tuple[Witness, Witness, Witness]:
    """Watch a workflow over all live channels while it ends."""
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(nats_witness(system.nats_url))
        ws = await stack.enter_async_context(ws_witness(system.url, workflow_id))
        sse = await stack.enter_async_context(sse_witness(system.url, workflow_id))
        await asyncio.to_thread(act, system, workflow_id)
        async with asyncio.timeout(30):
            await ws.closed.wait()
            await sse.closed.wait()
        return plain, ws, sse


def _check(
    system: System, workflow_id: str, witnesses: tuple[Witness, ...], status: str, code: str | None
) -> None:
    shown = system.workflow(workflow_id)
    assert status == shown["status"]
    assert code == (shown["error"] or {}).get("code")
    assert shown["isTerminal"]
    assert shown["finished_at"] is not None
    history = system.get(f"/workflows/{workflow_id}/history").json()["items"]
    assert [status] == [
        item["status"] for item in history if item["status"] in {"success", "failed", "cancelled"}
    ]
    _, ws, sse = witnesses
    for witness in (ws, sse):
        assert 1 == len(witness.ends()), witness.name
        assert shown == witness.last(), witness.name
        assert sorted(witness.positions(workflow_id)) == witness.positions(workflow_id), witness.name
        assert status == witness.statuses(workflow_id)[-1], witness.name
        assert 1 == witness.statuses(workflow_id).count(status), witness.name
    assert {"type": "closed", "code": 1000} == ws.frames[-1]


def _check_database(system: System, workflow_id: str, status: str, code: str | None) -> None:
    def projected() -> bool:
        rows = system.sql(f"SELECT status, error_code FROM workflows WHERE id = '{workflow_id}'")  # noqa: S608
        return [(status, code or "")] == rows

    system.until(projected, "the database to show it", 10)


@pytest.mark.parametrize(("definition", "inputs", "act", "status", "code", "exit_code"), ENDINGS)
async def test_each_ending_is_told_once_and_alike_by_every_channel(
    shared: System,
    definition: str,
    inputs: dict[str, Any],
    act: Act,
    status: str,
    code: str | None,
    exit_code: str,
) -> None:
    """GET, WebSocket, SSE, the CLI, the database and a plain NATS subscriber agree, and say it once."""
    workflow_id = shared.begin(definition, **inputs)

    witnesses = await _see_it_end(shared, workflow_id, act)

    _check(shared, workflow_id, witnesses, status, code)
    _check_database(shared, workflow_id, status, code)
    watched = await asyncio.to_thread(shared.cli, "watch", workflow_id, "--json")
    assert int(exit_code) == watched.returncode, watched.stderr
    shown = await asyncio.to_thread(shared.cli, "show", workflow_id, "--json")
    assert status == json.loads(shown.stdout)["status"]


async def test_a_plain_subscriber_hears_each_status_of_a_workflow_once(shared: System) -> None:
    """`nats sub 'lastword.status.>'` shows one readable line per accepted status, and nothing else."""
    async with nats_witness(shared.nats_url) as plain:
        workflow_id = shared.begin("add", a=1)
        await asyncio.to_thread(shared.await_end, workflow_id)
        records = [frame for frame in plain.frames if frame["id"] == workflow_id]

    assert ["pending", "running", "success"] == [record["status"] for record in records]
    assert ["id", "status", "at"] == list(records[0])[:3]


@pytest.fixture(scope="module")
def crews(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[System]:
    """Give a system that runs real crews with the built-in model."""
    system = backend.system(tmp_path_factory.mktemp("crews"), config="crews.toml")
    try:
        yield system.start().await_definitions("tool-exits", "tool-hangs", "brief")
    finally:
        system.destroy()


def _cancel_in_tool(system: System, workflow_id: str) -> None:
    """Cancel once the tool hangs, which it says before."""

    def hangs() -> bool:
        lines = system.get(f"/workflows/{workflow_id}/logs").json()["items"]
        return any(line["text"] == "the tool hangs" for line in lines)

    system.until(hangs, "the tool to hang", 20)
    assert "cancelling" == system.post(f"/workflows/{workflow_id}/cancel").json()["status"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("definition", "act", "status", "code"),
    [
        ("brief", _nothing, "success", None),
        ("tool-exits", _nothing, "failed", "exit_without_result"),
        ("tool-hangs", _cancel_in_tool, "cancelled", None),
    ],
)
async def test_a_crew_whose_tool_misbehaves_never_lies(
    crews: System, definition: str, act: Act, status: str, code: str | None
) -> None:
    """A tool's `sys.exit(0)` is no success, and a hung tool can be cancelled."""
    workflow_id = crews.begin(definition)

    witnesses = await _see_it_end(crews, workflow_id, act)

    _check(crews, workflow_id, witnesses, status, code)


async def test_sigterm_to_the_executor_ends_its_work_as_shutdown(system: System) -> None:
    """An executor that is told to stop reports what it ended before it goes."""
    system.start().await_definitions("steps")
    workflow_id = system.begin("steps", count=600)
    system.await_status(workflow_id, "running")

    witnesses = await _see_it_end(
        system, workflow_id, lambda system, _: (system.kill("executor", signal.SIGTERM), None)[1]
    )

    _check(system, workflow_id, witnesses, "failed", "shutdown")


def test_one_scrape_shows_what_every_process_has_counted(shared: System) -> None:
    """The edge's /metrics has the supervisors' transitions, the auditor's gauges and its own, by process."""
    shared.await_end(shared.begin("dies", how="kill"))

    def scraped() -> str | None:
        text = shared.get("/metrics").text
        wanted = (
            r'lastword_transitions_total\{cause="failed",process="supervisor-\w+",status="failed"\} [1-9]',
            r'lastword_abrupt_exits_total\{how="SIGKILL",process="supervisor-\w+"\} [1-9]',
            r'lastword_truth_lag_seconds_count\{process="[\w-]+",stage="accepted"\} [1-9]',
            r'lastword_truth_lag_seconds_count\{process="edge-\w+",stage="told"\} [1-9]',
            r'lastword_stale_workflows\{process="auditor-\w+"\} 0',
            r'lastword_queued_jobs\{definition="dies",process="supervisor-\w+"\} 0',
        )
        return text if all(re.search(pattern, text) for pattern in wanted) else None

    text = shared.until(scraped, "all metrics", 30)
    assert 1 == text.count("# TYPE lastword_transitions_total counter\n")


def test_the_page_of_metrics_lists_what_a_scrape_shows(shared: System) -> None:
    """Every series under its name, with the page's labels, and no other; what only a canary tells aside."""
    page = {metric.name: metric for metric in described() if not metric.name.startswith("lastword_canary_")}

    def scraped() -> dict[str, set[str]] | None:
        families = text_string_to_metric_families(shared.get("/metrics").text)
        seen = {
            f"{family.name}_total" if family.type == "counter" else family.name: {
                label for sample in family.samples for label in sample.labels
            }
            for family in families
        }
        return seen if page.keys() <= seen.keys() else None

    seen = shared.until(scraped, "every metric of the page", 30)
    assert page.keys() == {name for name in seen if not name.endswith("_created")}
    for name, labels in seen.items():
        if name in page:
            assert labels - {"process"} <= page[name].labels.keys(), name

    def all_are_shown() -> bool:
        text = shared.get("/metrics").text
        roles = all(f'role="{role}"' in text for role in ("supervisor", "auditor", "executor", "edge"))
        return roles and bool(re.search(r'lastword_definition_executors\{definition="dies",.*\} 1', text))

    shared.until(all_are_shown, "who is at work, and on what", 30)
