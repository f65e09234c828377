"""The endpoints of workflows, asked as a program asks them."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from lastword.bus.outputs import BATCH
from lastword.contracts.events import ResultReference
from lastword.contracts.messages import Logged
from tests.integration.http.conftest import Edge, OpenEdge, until
from tests.unit.http.fakes import World

GOOD = {"definition": "research-brief", "inputs": {"topic": "tidal power"}}


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the body of a problem, after a look at its form."""
    assert status == response.status_code, response.text
    assert "application/problem+json" == response.headers["content-type"]
    body: dict[str, Any] = response.json()
    assert code == body["code"]
    assert status == body["status"]
    assert response.request.url.path == body["instance"]
    assert body["title"]
    return body


async def test_a_start_answers_with_the_workflow_and_its_address(edge: Edge) -> None:
    """POST answers 201 with the pending workflow; its `Location` shows the same one at once."""
    response = await edge.client.post("/workflows", json=GOOD | {"title": "Tides"})
    assert 201 == response.status_code
    shown = await edge.client.get(response.headers["location"])
    assert response.json() == shown.json()
    assert ("pending", "Tides") == (shown.json()["status"], shown.json()["title"])


async def test_the_same_key_starts_one_workflow(edge: Edge) -> None:
    """A repeated request under an idempotency key is answered with the first one's workflow."""
    headers = {"Idempotency-Key": "k-1"}
    first = await edge.client.post("/workflows", json=GOOD, headers=headers)
    second = await edge.client.post("/workflows", json=GOOD, headers=headers)
    assert (201, 200) == (first.status_code, second.status_code)
    assert first.json()["id"] == second.json()["id"]
    assert "true" == second.headers["idempotent-replayed"]
    assert "idempotent-replayed" not in first.headers
    other = await edge.client.post("/workflows", json=GOOD | {"inputs": {"topic": "x"}}, headers=headers)
    problem(other, 409, "idempotency_conflict")


async def test_a_cancel_answers_with_the_workflow_as_it_then_stands(edge: Edge) -> None:
    """A running workflow is `cancelling`; asking again changes nothing."""
    edge.world.run("w-1")
    for _ in range(2):
        response = await edge.client.post("/workflows/w-1/cancel", json={"by": "ada"})
        assert (200, "cancelling") == (response.status_code, response.json()["status"])
    assert 3 == len(edge.world.log)


async def test_a_cancel_of_what_has_ended_says_how_it_ended(edge: Edge) -> None:
    """409, with the workflow in the problem, whole."""
    edge.world.run("w-1")
    edge.world.fail("w-1")
    body = problem(await edge.client.post("/workflows/w-1/cancel"), 409, "already_terminal")
    assert "failed" in body["detail"]
    assert ("failed", "SIGKILL") == (body["workflow"]["status"], body["workflow"]["error"]["signal"])
    assert (await edge.client.get("/workflows/w-1")).json()["error"] == body["workflow"]["error"]


async def test_a_retry_is_a_new_workflow_that_names_the_old_one(edge: Edge) -> None:
    """Same definition and inputs, `retry_of`; what has not ended is not retried."""
    edge.world.run("w-1", title="Tides")
    body = problem(await edge.client.post("/workflows/w-1/retry"), 409, "not_terminal")
    assert "running" == body["workflow"]["status"]
    edge.world.fail("w-1")
    response = await edge.client.post("/workflows/w-1/retry")
    assert 201 == response.status_code
    new = response.json()
    assert ("w-1", {"topic": "tides"}, "Tides") == (new["retry_of"], new["inputs"], new["title"])
    assert f"/workflows/{new['id']}" == response.headers["location"]


async def test_reconcile_answers_with_the_workflow(edge: Edge) -> None:
    """The auditor's finding stands in the answer."""
    edge.world.run("w-1")
    response = await edge.client.post("/workflows/w-1/reconcile")
    assert (200, "running") == (response.status_code, response.json()["status"])


async def test_history_tells_every_status(edge: Edge) -> None:
    """Oldest first, each with what was before and why."""
    edge.world.run("w-1")
    edge.world.succeed("w-1")
    response = await edge.client.get("/workflows/w-1/history")
    items = response.json()["items"]
    assert [(None, "pending"), ("pending", "running"), ("running", "success")] == [
        (item["previous"], item["status"]) for item in items
    ]
    assert [1, 2, 3] == [item["version"] for item in items]
    again = await edge.client.get(
        "/workflows/w-1/history", headers={"If-None-Match": response.headers["etag"]}
    )
    assert 304 == again.status_code


async def test_logs_that_are_read_in_parts_do_not_end_early(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are asked for, some are read at once: fewer than were asked for are no sign of the end."""
    edge.world.run("w-1")
    for number in range(300):
        edge.world.say("w-1", f"line {number}")
    edge.world.succeed("w-1")
    lines = edge.world.lines

    async def some(workflow_id: str, after: int, limit: int) -> list[tuple[int, Logged]]:
        return await lines(workflow_id, after, min(limit, BATCH))

    monkeypatch.setattr(edge.world, "lines", some)
    shown: list[str] = []
    params = {"limit": "1000"}
    while True:
        page = (await edge.client.get("/workflows/w-1/logs", params=params)).json()
        shown += [line["text"] for line in page["items"]]
        if page["next_cursor"] is None:
            break
        params = {"limit": "1000", "cursor": page["next_cursor"]}
    assert [f"line {number}" for number in range(300)] == shown


async def test_logs_are_paged_and_end_with_the_workflow(edge: Edge) -> None:
    """The cursor leads on while there may be more, and is null once there cannot be."""
    edge.world.run("w-1")
    edge.world.say("w-1", "one", "two")
    edge.world.say("w-1", "three")
    first = (await edge.client.get("/workflows/w-1/logs", params={"limit": 1})).json()
    assert ["one", "two"] == [line["text"] for line in first["items"]]
    rest = (await edge.client.get("/workflows/w-1/logs", params={"cursor": first["next_cursor"]})).json()
    assert ["three"] == [line["text"] for line in rest["items"]]
    assert rest["next_cursor"] is not None
    edge.world.succeed("w-1")
    last = (await edge.client.get("/workflows/w-1/logs", params={"cursor": rest["next_cursor"]})).json()
    assert ([], None) == (last["items"], last["next_cursor"])


async def test_a_large_result_is_brought_from_where_it_lies(edge: Edge) -> None:
    """Small and large results have one address."""
    edge.world.run("w-1")
    problem(await edge.client.get("/workflows/w-1/result"), 404, "no_result")
    edge.world.succeed("w-1", result={"brief": "Tides turn."})
    assert {"brief": "Tides turn."} == (await edge.client.get("/workflows/w-1/result")).json()
    edge.world.run("w-2")
    edge.world.results["r-2"] = b'["large"]'
    edge.world.succeed("w-2", result=None, ref=ResultReference(name="r-2", size=9, digest="d"))
    assert ["large"] == (await edge.client.get("/workflows/w-2/result")).json()
    del edge.world.results["r-2"]
    problem(await edge.client.get("/workflows/w-2/result"), 404, "no_result")


async def test_the_list_never_shows_less_than_was_shown(edge: Edge) -> None:
    """Position first, then load: a list waits for the database to come to what this edge has shown."""
    edge.world.run("w-1")
    edge.world.projected = 1
    asking = asyncio.create_task(edge.client.get("/workflows"))
    done, _ = await asyncio.wait({asking}, timeout=0.05)
    assert not done
    edge.world.projected = 2
    page = (await asking).json()
    assert (["running"], 2) == ([item["status"] for item in page["items"]], page["position"])


async def test_a_list_is_as_new_as_a_client_asks(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named in the header or in the address: what the database has not come to is no list."""
    monkeypatch.setattr("lastword.http.lists.REACH_S", 0.02)
    edge.world.run("w-1")
    place = {"Lastword-Position": "3"}
    for refused in (
        await edge.client.get("/workflows", headers=place),
        await edge.client.get("/workflows?after=3"),
    ):
        assert (503, "projection_behind") == (refused.status_code, refused.json()["code"])
    edge.world.succeed("w-1")
    shown = await edge.client.get("/workflows", headers=place)
    assert ("3", "success") == (shown.headers["lastword-position"], shown.json()["items"][0]["status"])


async def test_a_list_that_stays_behind_is_no_list(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After, since an old list would take back what was shown."""
    monkeypatch.setattr("lastword.http.lists.REACH_S", 0.02)
    edge.world.run("w-1")
    edge.world.projected = 1
    response = await edge.client.get("/workflows")
    problem(response, 503, "projection_behind")
    assert "1" == response.headers["retry-after"]
    edge.world.projected = None
    problem(await edge.client.get("/workflows", params={"after": "99"}), 503, "projection_behind")


async def test_lists_are_filtered_paged_and_conditional(edge: Edge) -> None:
    """Status may be repeated or separated by commas; the ETag covers what is shown."""
    for name in ("w-1", "w-2", "w-3"):
        edge.world.run(name)
    edge.world.succeed("w-2")
    first = await edge.client.get("/workflows", params={"limit": 2})
    rest = await edge.client.get("/workflows", params={"limit": 2, "cursor": first.json()["next_cursor"]})
    ids = [item["id"] for page in (first, rest) for item in page.json()["items"]]
    assert ["w-2", "w-3", "w-1"] == ids
    assert rest.json()["next_cursor"] is None
    one = await edge.client.get("/workflows?status=success")
    both = await edge.client.get("/workflows?status=success,failed&status=pending")
    assert (["w-2"], ["w-2"]) == tuple([item["id"] for item in page.json()["items"]] for page in (one, both))
    etag = one.headers["etag"]
    same = await edge.client.get("/workflows?status=success", headers={"If-None-Match": etag})
    assert 304 == same.status_code
    edge.world.succeed("w-1")
    changed = await edge.client.get("/workflows?status=success", headers={"If-None-Match": etag})
    assert 200 == changed.status_code


async def test_an_etag_of_another_log_matches_nothing(edge: Edge) -> None:
    """A workflow may stand at the same position there, and otherwise."""
    edge.world.run("w-1")
    paths = ("/workflows", "/workflows/w-1", "/workflows/w-1/history")
    tags = [(await edge.client.get(path)).headers["etag"] for path in paths]
    edge.world.epoch = "testlog2"
    edge.hub.synced("testlog2", 2)
    for path, tag in zip(paths, tags, strict=True):
        assert 200 == (await edge.client.get(path, headers={"If-None-Match": tag})).status_code


async def test_an_etag_covers_progress_and_freshness_but_no_beat(
    world: World, open_edge_over: OpenEdge
) -> None:
    """A beat every few seconds does not defeat 304; progress and staleness do, and staleness has an end."""
    async with open_edge_over(world, stale_after_s=0.1) as edge:
        world.run("w-1")
        world.beat("w-1")
        etag = (await edge.client.get("/workflows/w-1")).headers["etag"]

        async def changed() -> bool:
            nonlocal etag
            response = await edge.client.get("/workflows/w-1", headers={"If-None-Match": etag})
            etag = response.headers["etag"]
            return response.status_code == 200

        world.beat("w-1")
        assert not await changed()
        world.progress("w-1", 1)
        assert await changed()
        await until(lambda: edge.hub.pulses.stale)
        assert await changed()
        assert "stale" == (await edge.client.get("/workflows/w-1")).json()["heartbeat"]
        assert 1 == (await edge.client.get("/summary")).json()["stale"]
        world.beat("w-1")
        assert await changed()
        assert "fresh" == (await edge.client.get("/workflows/w-1")).json()["heartbeat"]


async def test_a_client_that_has_seen_more_makes_the_edge_ask_the_leader(edge: Edge) -> None:
    """What another edge has shown is shown here too, though this one's feed is behind."""
    edge.world.run("w-1")
    edge.world.feeds = False
    edge.world.succeed("w-1")
    assert "running" == (await edge.client.get("/workflows/w-1")).json()["status"]
    for path, headers in (("/workflows/w-1", {"Lastword-Position": "3"}), ("/workflows/w-1?after=3", {})):
        assert "success" == (await edge.client.get(path, headers=headers)).json()["status"]


async def test_an_accepted_command_is_never_unseen(edge: Edge) -> None:
    """After its answer no GET shows the state before, even if the feed has not brought the record."""
    edge.world.run("w-1")
    edge.world.feeds = False
    await edge.client.post("/workflows/w-1/cancel")
    assert "cancelling" == (await edge.client.get("/workflows/w-1")).json()["status"]


async def test_a_broken_feed_makes_every_read_ask_the_leader(edge: Edge) -> None:
    """Memory is the truth only while the feed runs; without a leader there is 503, never an old state."""
    edge.world.run("w-1")
    edge.hub.lost()
    edge.world.feeds = False
    edge.world.succeed("w-1")
    assert "success" == (await edge.client.get("/workflows/w-1")).json()["status"]
    edge.world.run("w-2")
    edge.world.down = True
    response = await edge.client.get("/workflows/w-2")
    problem(response, 503, "unavailable")
    assert "3" == response.headers["retry-after"]
    problem(await edge.client.post("/workflows", json=GOOD), 503, "unavailable")


async def test_questions_that_wait_behind_one_another_are_answered_in_their_order(edge: Edge) -> None:
    """Pipelined, in one packet, by the fast lane and by the long way in turns; the last one ends it."""
    edge.world.run("w-1")
    paths = ["/workflows/w-1", "/workflows/w-1?after=0", "/workflows/nowhere", "/workflows/w-1"]
    asked = "".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths)
    last = "GET /workflows/w-1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(edge.url.rpartition(":")[2]))
    writer.write((asked + last).encode())
    told = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    assert ["200", "200", "404", "200", "200"] == re.findall(r"HTTP/1\.1 (\d+)", told)
    assert 4 == told.count('"isTerminal":false')
    assert 1 == told.lower().count("connection: close")


async def test_the_fast_lane_says_what_the_long_way_says(edge: Edge) -> None:
    """A GET answered from memory has the body, status and headers of one that went through the router."""
    edge.world.run("w-1")
    edge.world.beat("w-1")
    fast = await edge.client.get("/workflows/w-1")
    long = await edge.client.get("/workflows/w-1?after=0")
    assert fast.content == long.content
    assert dict(fast.headers) == dict(long.headers)
    etag = {"If-None-Match": fast.headers["etag"]}
    fast, long = [await edge.client.get(f"/workflows/w-1{query}", headers=etag) for query in ("", "?after=0")]
    assert 304 == fast.status_code == long.status_code
    assert dict(fast.headers) == dict(long.headers) | (
        {"content-length": "0"} if "content-length" in fast.headers else {}
    )


async def test_trends_join_what_is_stored_with_what_was_seen(edge: Edge) -> None:
    """An hour by minutes: counts of the database, and this edge's own view since it began."""
    edge.hub.trail.told(0.004)
    edge.hub.trail.sample(stale=1, executors=2, slots=16, load=3)
    trends = (await edge.client.get("/trends")).json()
    assert (60, 60) == (trends["step_s"], len(trends["points"]))
    assert {"success": 0, "failed": 0, "cancelled": 0} == trends["points"][0]["ended"]
    assert trends["points"][0]["vitals"] is None
    seen = [point["vitals"] for point in trends["points"] if point["vitals"]]
    assert (1, 2, 16, 3) == tuple(seen[0][name] for name in ("stale", "executors", "slots", "load"))
    assert 1 == trends["lag"]["count"]
    week = (await edge.client.get("/trends?span=7d")).json()
    assert (10_800, 56) == (week["step_s"], len(week["points"]))
    refused = await edge.client.get("/trends?span=1y")
    assert (400, "invalid_parameter") == (refused.status_code, refused.json()["code"])


async def test_definitions_executors_summary_and_config(edge: Edge) -> None:
    """What can be started, who works, how many stand where, and what clients go by."""
    edge.world.run("w-1")
    edge.world.submit("w-2")
    edge.world.beat("w-1")
    assert ["research-brief"] == [
        item["name"] for item in (await edge.client.get("/definitions")).json()["items"]
    ]
    executor = (await edge.client.get("/executors")).json()["items"][0]
    assert ("host-1", "serving", ["w-1"], 8) == tuple(
        executor[name] for name in ("executor", "state", "running", "slots")
    )
    summary = (await edge.client.get("/summary")).json()
    assert (1, 1, 0) == tuple(summary["statuses"][status] for status in ("pending", "running", "failed"))
    assert (0, 1) == (summary["stale"], summary["executors"])
    config = (await edge.client.get("/config")).json()
    assert (True, True, "testlog1") == (config["ws"], config["sse"], config["epoch"])


async def test_head_answers_without_a_body(edge: Edge) -> None:
    """HEAD is GET without the body."""
    edge.world.run("w-1")
    got, head = await edge.client.get("/workflows/w-1"), await edge.client.head("/workflows/w-1")
    assert (200, b"") == (head.status_code, head.content)
    assert got.headers["etag"] == head.headers["etag"]


async def test_metrics_count_by_route_and_not_by_path(edge: Edge) -> None:
    """No path of a client's becomes a label."""
    edge.world.run("w-1")
    for path in ("/workflows/w-1", "/workflows/w-1?after=0", "/secret-path", "/workflows/secret-path"):
        await edge.client.get(path)
    text = (await edge.client.get("/metrics")).text
    assert (
        'lastword_http_requests_total{method="GET",route="/workflows/{workflow_id}",status="200"} 2.0' in text
    )
    assert "secret-path" not in text
    assert "lastword_edge_position 2.0" in text
