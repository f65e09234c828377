"""What `lastword doctor` makes of what it is told."""

import asyncio
from typing import Any, Final

import httpx
import msgspec
import pytest

from lastword.cli.checks.edge import examine_edge
from lastword.cli.checks.findings import Level, compare_clocks
from lastword.cli.checks.nats import faults
from lastword.cli.client import EdgeClient
from lastword.cli.edge import Address
from lastword.contracts.messages import Definition
from lastword.contracts.statuses import Status
from lastword.contracts.views import DefinitionPage, ExecutorPage, ExecutorView, Summary
from tests.samples import second
from tests.unit.cli.fake_edge import FakeEdge, client_of, workflow

SOUND: Final[dict[str, Any]] = {
    "config": {"num_replicas": 3, "metadata": {"lastword.layout": "1"}},
    "cluster": {
        "leader": "n1",
        "replicas": [{"name": "n2", "current": True}, {"name": "n3", "current": True}],
    },
}


@pytest.mark.parametrize(
    ("ahead_s", "unsure_s", "level"),
    [(0.0, 0.1, Level.OK), (1.05, 0.1, Level.OK), (1.2, 0.1, Level.WARN), (-3600.0, 0.5, Level.WARN)],
)
def test_clocks_differ_where_it_is_certain(ahead_s: float, unsure_s: float, level: Level) -> None:
    """An answer that took long says little."""
    assert level is compare_clocks("the server", ahead_s, unsure_s).level


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"config": {**SOUND["config"], "num_replicas": 1}}, ["is kept 1 times"]),
        ({"config": {**SOUND["config"], "metadata": {}}}, ["has layout 0"]),
        ({"cluster": {**SOUND["cluster"], "leader": ""}}, ["has no leader"]),
        (
            {"cluster": {"leader": "n1", "replicas": [{"name": "n2", "offline": True}]}},
            ["not up to date on n2"],
        ),
        ({"error": {"code": 503, "description": "no quorum"}}, ["no quorum"]),
    ],
)
def test_a_stream_that_is_not_as_it_should_be_is_named(change: dict[str, Any], said: list[str]) -> None:
    """By copies, layout, leader and followers."""
    found = list(faults("LASTWORD_LOG", {**SOUND, **change}, 3))
    assert len(said) == len(found)
    for finding, part in zip(found, said, strict=True):
        assert "LASTWORD_LOG" in finding.said
        assert part in finding.said


def test_an_edge_tells_of_who_is_silent_and_what_nobody_serves() -> None:
    """By what it answers; nothing else is asked."""
    edge = FakeEdge(workflow(Status.RUNNING))
    at = second(1)
    silent = ExecutorView(
        executor="x-1",
        state="silent",
        host="h",
        pid=1,
        version="1",
        started_at=at,
        last_beat_at=at,
        slots=2,
        running=(),
        definitions=("add",),
    )
    definitions = (
        Definition(name="add", kind="function", input_schema={}, announced_by="x-1", announced_at=at),
        Definition(
            name="bad", kind="broken", input_schema={}, error="no", announced_by="x-1", announced_at=at
        ),
    )
    summary = Summary(statuses={"running": 1}, stale=1, position=1, executors=0)
    for path, answer in (
        ("/health/ready", {"status": "ready"}),
        ("/executors", ExecutorPage(items=(silent,))),
        ("/definitions", DefinitionPage(items=definitions)),
        ("/summary", summary),
    ):
        edge.answers["GET", path] = [httpx.Response(200, content=msgspec.json.encode(answer))]

    async def look() -> list[tuple[Level, str]]:
        async with client_of(edge) as client:
            return [(one.level, one.said) async for one in examine_edge(client)]

    found = asyncio.run(look())
    assert [Level.OK, Level.WARN, Level.WARN, Level.FAIL, Level.WARN, Level.FAIL, Level.WARN] == [
        level for level, _ in found
    ]
    for (_, said), part in zip(
        found,
        (
            "is ready",
            "version 1",
            "x-1 on h has been silent",
            "none beats",
            "no executor serves add",
            "bad cannot be loaded by x-1: no",
            "1 workflows have a stale heartbeat",
        ),
        strict=True,
    ):
        assert part in said


def test_an_edge_that_may_be_another_projects_is_warned_of() -> None:
    """Where nothing runs in a folder, and somebody answers all the same."""
    edge = FakeEdge(workflow(Status.RUNNING))
    for path, answer in (
        ("/health/ready", {"status": "ready"}),
        ("/executors", ExecutorPage(items=())),
        ("/definitions", DefinitionPage(items=())),
        ("/summary", Summary(statuses={}, stale=0, position=1, executors=0)),
    ):
        edge.answers["GET", path] = [httpx.Response(200, content=msgspec.json.encode(answer))]
    guess = Address("http://127.0.0.1:8484", "the default", None, is_guess=True)

    async def look() -> list[str]:
        async with EdgeClient(guess, transport=edge.transport) as client:
            return [one.said async for one in examine_edge(client) if one.level is Level.WARN]

    assert "http://127.0.0.1:8484 is not this folder's, where nothing runs" in asyncio.run(look())


@pytest.mark.parametrize(
    ("answer", "level", "said"),
    [
        (httpx.ConnectError("refused"), Level.SKIP, "no lastword answers"),
        (httpx.Response(503, json={"code": "not_ready", "detail": "NATS"}), Level.FAIL, "is not ready: NATS"),
    ],
)
def test_an_edge_that_is_not_there_or_not_ready(
    answer: httpx.Response | BaseException, level: Level, said: str
) -> None:
    """One may look from a host without an edge; one that answers and is not ready has failed."""
    edge = FakeEdge(workflow(Status.RUNNING))
    edge.answers["GET", "/health/ready"] = [answer]

    async def look() -> list[tuple[Level, str]]:
        async with client_of(edge) as client:
            return [(one.level, one.said) async for one in examine_edge(client)]

    ((found, text),) = asyncio.run(look())
    assert level is found
    assert said in text
