"""Lists as clients ask for them: by HTTP, from a real database, while rows change."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from lastword.contracts.records import Entry
from lastword.storage import Sort, WorkflowStore
from tests.integration.http.conftest import make_edge
from tests.integration.http.test_workflows import problem
from tests.integration.storage.logs import EPOCH, make_log
from tests.integration.storage.test_pages import CUT, KEYS, LAST, LOG
from tests.unit.http.fakes import World

FILTERS: dict[str, Callable[[Entry], bool]] = {
    "status=running": lambda e: e.record.status == "running",
    "status=success,failed&status=cancelled": lambda e: e.record.status.is_terminal,
    "definition=triage,Nightly_Report": lambda e: e.record.definition in {"triage", "Nightly_Report"},
    "error=abrupt_exit,shutdown&error=exception": lambda e: (
        e.record.error is not None and e.record.error.code in {"abrupt_exit", "shutdown", "exception"}
    ),
    "q=EXECUTOR-A": lambda e: "executor-a" in _text(e),
    f"since={CUT.isoformat().replace('+', '%2B')}": lambda e: e.record.created_at >= CUT,
    f"until={CUT.isoformat().replace('+', '%2B')}": lambda e: e.record.created_at < CUT,
    "executor=executor-b": lambda e: e.record.executor == "executor-b",
    "started_by=ann&status=success": lambda e: e.record.started_by == "ann" and e.record.status == "success",
    "retry_of=wf-0000": lambda e: e.record.retry_of == "wf-0000",
}


async def test_filters_and_sorts_do_what_is_documented(store: WorkflowStore) -> None:
    """Each filter, and every order up and down, on pages that together are the list in plain Python."""
    chance = random.Random(1)  # noqa: S311  a repeatable choice, and no secret
    await store.project(LOG, epoch=EPOCH)
    async with make_edge(World(), lists=store, attach=False) as edge:
        for query, holds in FILTERS.items():
            expected = {name for name, entry in LAST.items() if holds(entry)}
            shown = await walk(edge.client, f"/workflows?{query}", chance)
            assert (expected, len(expected)) == (set(shown), len(shown)), query
        for sort in Sort:
            for sign in ("", "-"):
                ordered = sorted(LAST.values(), key=KEYS[sort], reverse=bool(sign))
                shown = await walk(edge.client, f"/workflows?sort={sign}{sort}", chance)
                assert [entry.record.id for entry in ordered] == shown, sort


@pytest.mark.parametrize("sign", ["", "-"], ids=["ascending", "descending"])
@pytest.mark.parametrize("sort", list(Sort))
async def test_pages_hold_still_while_rows_change(store: WorkflowStore, sort: Sort, sign: str) -> None:
    """Whatever the order, the filter and the size of each page.

    What is there from the first page to the last, and stays in its place of the order, is shown exactly once;
    what is shown twice has moved.
    """
    chance = random.Random(f"{sort}{sign}")  # noqa: S311  a repeatable choice, and no secret
    log = make_log(60, seed=chance.randrange(1_000))
    cut = len(log) // 2
    await store.project(log[:cut], epoch=EPOCH)
    before = {entry.record.id: entry for entry in log[:cut]}
    late = iter(log[cut:])

    async def go_on() -> None:
        batch = [entry for entry, _ in zip(late, range(chance.randrange(1, 12)), strict=False)]
        await store.project(batch, epoch=EPOCH)

    only = chance.choice([None, "triage"])
    query = f"&definition={only}" if only else ""

    def fits(entry: Entry) -> bool:
        return only is None or _definition(entry) == only

    async with make_edge(World(), lists=store, attach=False) as edge:
        shown = await walk(edge.client, f"/workflows?sort={sign}{sort}{query}", chance, go_on)
    seen_until = log[: (await store.position())[1]]
    after = {entry.record.id: entry for entry in seen_until}
    still = {
        name for name, entry in before.items() if KEYS[sort](entry) == KEYS[sort](after[name]) and fits(entry)
    }
    assert still
    assert still <= set(shown)
    assert len(seen_until) > cut
    twice = {name for name in shown if shown.count(name) > 1}
    assert not twice & still
    assert all(fits(after[name]) for name in shown)


async def test_a_cursor_that_is_none_is_named(store: WorkflowStore) -> None:
    """Garbage, and one of another query: 400, and the field."""
    await store.project(LOG, epoch=EPOCH)
    async with make_edge(World(), lists=store, attach=False) as edge:
        cursor = (await edge.client.get("/workflows?limit=3")).json()["next_cursor"]
        for query in ("cursor=x", "cursor=%00", f"cursor={cursor}&sort=status", f"cursor={cursor}&q=a"):
            body = problem(await edge.client.get(f"/workflows?{query}"), 400, "invalid_parameter")
            assert ["cursor"] == [error["field"] for error in body["errors"]]
        assert 200 == (await edge.client.get(f"/workflows?cursor={cursor}&limit=9")).status_code
        for odd in ("%25", "'", "%ff", "\\", "x" * 200):  # searched for as it is, on either database
            assert 200 == (await edge.client.get(f"/workflows?q={odd}")).status_code
        for odd in ("%00", "x" * 201):  # no text has this
            problem(await edge.client.get(f"/workflows?q={odd}"), 400, "invalid_parameter")


async def walk(
    client: httpx.AsyncClient,
    path: str,
    chance: random.Random,
    between: Callable[[], Awaitable[None]] | None = None,
) -> list[str]:
    """Return the ids of all pages, each of another size; `between` happens between two."""
    shown: list[str] = []
    cursor = ""
    while True:
        limit = chance.choice([1, 3, 7])
        response = await client.get(f"{path}&limit={limit}{cursor}")
        page: dict[str, Any] = response.json()
        assert 200 == response.status_code, page
        assert len(page["items"]) <= limit
        shown += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return shown
        cursor = f"&cursor={page['next_cursor']}"
        if between is not None:
            await between()


def _text(entry: Entry) -> str:
    record = entry.record
    error = record.error.message if record.error is not None else None
    parts = (record.id, record.title, record.definition, record.executor, error)
    return "\n".join(part.casefold() for part in parts if part)


def _definition(entry: Entry) -> str:
    return entry.record.definition
