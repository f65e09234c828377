"""Several edges, none of them sticky: what one has said holds at the other."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.integration.http import clients
from tests.integration.http.clients import Client
from tests.integration.http.conftest import kinds, next_frame, told
from tests.integration.live.stage import LiveEdge, Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Edges = tuple[LiveEdge, LiveEdge]


async def test_an_etag_of_one_edge_is_heeded_by_the_other(stage: Stage, edges: Edges) -> None:
    """At each point of a life, of the workflow, its history and the list: the same tag, and a 304."""
    first, second = edges
    play = stage.play("tagged")
    tag = ""
    for happens in (play.submit, play.claim, lambda: play.progress(1), play.expire, play.beat, play.end):
        await happens()
        await until(partial(_has_moved, first, play.id, tag))
        for path in (f"/workflows/{play.id}", f"/workflows/{play.id}/history", f"/workflows?q={play.title}"):
            shown = await first.client.get(path)
            asked = {"If-None-Match": f'"x", {shown.headers["etag"]}'}
            await until(partial(_is_fresh, second, path, asked))
            assert shown.content == (await second.client.get(path)).content
        tag = (await first.client.get(f"/workflows/{play.id}")).headers["etag"]


async def test_a_write_at_one_edge_is_read_at_the_other(edges: Edges) -> None:
    """By its position, named in a header or in the address: the workflow, its stream, and the list."""
    first, second = edges
    for number in range(10):
        answer = await first.client.post("/workflows", json={"definition": "played", "inputs": {}})
        assert 201 == answer.status_code
        workflow_id, position = answer.json()["id"], answer.headers["lastword-position"]
        match number % 3:
            case 0:
                named = {"Lastword-Position": position}
                shown = await second.client.get(f"/workflows/{workflow_id}", headers=named)
                assert (200, position) == (shown.status_code, shown.headers["lastword-position"])
            case 1:
                page = (await second.client.get(f"/workflows?after={position}")).json()
                assert workflow_id in {item["id"] for item in page["items"]}
                assert int(position) <= page["position"]
            case _:
                async with connect(f"{second.ws}/ws/workflows/{workflow_id}?after={position}") as socket:
                    assert "hello" == (await next_frame(socket))["type"]
        ended = await second.client.post(f"/workflows/{workflow_id}/cancel")
        after = ended.headers["lastword-position"]
        shown = await first.client.get(f"/workflows/{workflow_id}?after={after}")
        assert "cancelled" == shown.json()["status"]


async def test_a_beat_has_one_time_whoever_tells_of_it(stage: Stage, edges: Edges) -> None:
    """By list, by single read and at every edge, the server's: executors' clocks may be wrong."""
    began = datetime.now(UTC)
    play = await stage.play().run()
    await play.beat(at=began + timedelta(hours=1))

    async def times() -> set[str | None]:
        told: set[str | None] = set()
        for edge in edges:
            listed = (await edge.client.get("/workflows", params={"q": play.title})).json()["items"]
            read = (await edge.client.get(f"/workflows/{play.id}")).json()
            told |= {one["last_heartbeat_at"] for one in (*listed, read)}
        return told

    async def agreed() -> bool:
        return len(told := await times()) == 1 and None not in told

    await until(agreed)
    (told,) = await times()
    assert told is not None
    assert began - timedelta(minutes=1) < datetime.fromisoformat(told) < began + timedelta(minutes=30)


async def test_output_is_followed_across_edges(stage: Stage, edges: Edges) -> None:
    """Line by line over both wires, resumed by cursor at the other edge, through pings; then one end."""
    play = await stage.play("writes").run()
    texts: dict[str, list[str]] = {"events": [], "socket": []}
    places: dict[str, str] = {}
    ends: list[str] = []

    async def over_events(edge: LiveEdge, count: int) -> None:
        headers = {"Last-Event-ID": places["events"]} if "events" in places else {}
        async for frame in clients.events(edge.client, f"/events/workflows/{play.id}/logs", headers):
            places["events"] = frame["_id"] or places.get("events", "")
            texts["events"] += [line["text"] for line in frame.get("lines", ())]
            ends.extend("events" for _ in range(frame["type"] == "end"))
            if len(texts["events"]) == count and frame["type"] == "ping":  # a ping must not spoil the place
                return

    async def over_socket(edge: LiveEdge, count: int) -> None:
        after = places.get("socket", "0")
        async with connect(f"{edge.ws}/ws/workflows/{play.id}/logs?after={after}") as socket:
            while len(texts["socket"]) < count:
                frame = await next_frame(socket)
                places["socket"] = frame.get("cursor", places.get("socket", "0"))
                texts["socket"] += [line["text"] for line in frame.get("lines", ())]
                if frame["type"] == "end":
                    ends.append("socket")
                    return

    for number in range(4):
        await play.say(f"{number} a", f"{number} b")
        edge = edges[number % 2]
        async with asyncio.timeout(20):
            await asyncio.gather(over_events(edge, 2 * number + 2), over_socket(edge, 2 * number + 2))
    await play.say("the last")
    await play.end()
    async with asyncio.timeout(20):
        await asyncio.gather(over_events(edges[0], 99), over_socket(edges[1], 99))
    wanted = [f"{number} {part}" for number in range(4) for part in "ab"] + ["the last"]
    assert {"events": wanted, "socket": wanted} == texts
    assert ["events", "socket"] == sorted(ends)
    response = await edges[1].client.get(
        f"/events/workflows/{play.id}/logs", headers={"Last-Event-ID": places["events"]}
    )
    assert 204 == response.status_code


@pytest.mark.parametrize(
    ("off", "wire", "code"),
    [
        ({"ws": False}, clients.one_by_events, 4003),
        ({"sse": False}, clients.one_by_socket, 404),
        ({"ws": False, "sse": False}, clients.by_polling, 4003),
    ],
    ids=["no websocket", "no events", "neither"],
)
async def test_a_rung_that_is_off_is_named_and_the_next_one_carries(
    stage: Stage, off: dict[str, bool], wire: clients.Wire, code: int
) -> None:
    """4003, or a problem that says so; `/config` shows it; what is left tells the whole life."""
    edge = await stage.open_edge(**off)
    play = await stage.play("flagged").run()
    config: dict[str, Any] = (await edge.client.get("/config")).json()
    assert {"ws": True, "sse": True} | off == {"ws": config["ws"], "sse": config["sse"]}
    if code == 4003:
        for path in (play.id, f"{play.id}/logs", ""):
            async with connect(f"{edge.ws}/ws/workflows/{path}".rstrip("/")) as socket:
                assert ([], 4003) == await told(socket)
    if not config["sse"]:
        for path in (play.id, f"{play.id}/logs", ""):
            response = await edge.client.get(f"/events/workflows/{path}".rstrip("/"))
            assert (404, "feature_off") == (response.status_code, response.json()["code"])
    client, frames = Client(play.id), list[dict[str, Any]]()
    async for frame in wire(client, edge):
        client.take(frame)
        frames.append(frame)
        if ["running"] == [status for _, status in client.states]:
            await play.end()
    assert ("success", 1) == (client.workflow["status"], client.ends)
    assert "end" == kinds(frames)[-1]
    await edge.close()


async def _has_moved(edge: LiveEdge, workflow_id: str, tag: str) -> bool:
    shown = await edge.client.get(f"/workflows/{workflow_id}", headers={"If-None-Match": tag})
    return shown.status_code == 200


async def _is_fresh(edge: LiveEdge, path: str, headers: dict[str, str]) -> bool:
    shown: httpx.Response = await edge.client.get(path, headers=headers)
    return shown.status_code == 304
