"""Clients as their users write them: one for each way to follow a workflow, and what it was told."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

import httpx
import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

__all__ = ["WIRES", "Client", "Line", "NotNow", "NotThere", "Place", "events"]

WITHIN_S: Final = 20.0  # far more than anything here takes
POLL_S: Final = 0.005


class Place(Protocol):
    """Where an edge is."""

    client: httpx.AsyncClient

    @property
    def ws(self) -> str:
        """The address for WebSocket."""
        ...


class NotThere(Exception):
    """There is no such workflow, says the edge."""


class NotNow(Exception):
    """Come back in a moment, says the edge."""


class Client:
    """What a page does: keeps the newest state, knows where to go on, and stops at the end."""

    def __init__(self, workflow_id: str = "", title: str = "") -> None:
        self.id = workflow_id
        self.title = title
        self.states: list[tuple[int, str]] = []
        self.workflow: dict[str, Any] = {}
        """How it stands, as the client has been told."""
        self.ends = 0
        self.epoch = ""
        self.last_id: str | None = None
        """Of server-sent events."""
        self.after = ""
        """The place that the client has come to: what follows may be left out by nobody."""
        self.poll_s = POLL_S
        """How long one that polls waits before it asks again."""

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take in one frame, as the channel in the browser does."""
        kind = frame["type"]
        if kind == "hello":
            if self.epoch not in {"", frame["epoch"]}:
                assert not frame["recovered"], "a place in another log is none"
                self.workflow = {}
            self.epoch = frame["epoch"]
        elif kind == "resync" and frame["reason"] == "epoch":
            self.workflow = {}
        elif kind == "end":
            assert self.id in {"", frame["id"]}
            self.ends += 1
            self.after = self._place(frame["position"])
        elif kind == "ping":
            self.after = self._place(frame["position"])
        elif "workflow" in frame:
            self._take_state(frame["workflow"])
        self.last_id = frame.get("_id") or self.last_id

    def _take_state(self, workflow: dict[str, Any]) -> None:
        assert self.id in {"", workflow["id"]}
        before = self.workflow.get("position", 0)
        assert before <= workflow["position"], f"{self.states} and then {workflow['position']}"
        self.workflow = workflow
        self.states.append((workflow["position"], workflow["status"]))
        if not workflow["isTerminal"]:  # its end is still to come
            self.after = self._place(workflow["position"])

    def _place(self, position: int) -> str:
        """Return a place in the log; whoever only polls has not been told the log's name."""
        return f"{self.epoch}:{position}" if self.epoch else str(position)


Line = AsyncGenerator[dict[str, Any], None]
"""An open stream."""
Wire = Callable[[Client, Place], Line]


async def events(
    client: httpx.AsyncClient, path: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Yield the frames of an SSE stream, each with its `_id`, until it ends; 204 has none."""
    async with client.stream("GET", path, headers=headers, timeout=WITHIN_S) as response:
        if response.status_code == 404:
            raise NotThere
        if response.status_code == 503:
            raise NotNow
        assert response.status_code in {200, 204}, (await response.aread()).decode()
        event: dict[str, str] = {}
        async for line in response.aiter_lines():
            if not line and "data" in event:
                yield {**msgspec.json.decode(event["data"]), "_id": event.get("id")}
                event = {}
            elif line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value


async def _socket(edge: Place, path: str, *messages: Mapping[str, Any]) -> Line:
    """Yield the frames of a WebSocket, to which `messages` are sent, until it is closed."""
    token = edge.client.headers.get("Authorization")
    shown = {"Authorization": token} if token else None
    async with connect(f"{edge.ws}{path}", additional_headers=shown) as socket:
        try:
            for message in messages:
                await socket.send(msgspec.json.encode(message).decode())
            while True:
                frame = msgspec.json.decode(await asyncio.wait_for(socket.recv(), WITHIN_S))
                if frame["type"] == "problem":
                    raise NotThere
                yield frame
        except ConnectionClosed:
            if socket.close_code == 4004:
                raise NotThere from None


def _resumed(client: Client) -> dict[str, str]:
    return {"Last-Event-ID": client.last_id} if client.last_id else {}


async def one_by_events(client: Client, edge: Place) -> Line:
    """Follow one as `EventSource` does."""
    async for frame in events(edge.client, f"/events/workflows/{client.id}", _resumed(client)):
        yield frame


async def one_by_events_after(client: Client, edge: Place) -> Line:
    """Follow one by server-sent events, naming the place in the address."""
    async for frame in events(edge.client, f"/events/workflows/{client.id}?after={client.after}"):
        yield frame


async def one_by_socket(client: Client, edge: Place) -> Line:
    """Follow one by WebSocket."""
    async for frame in _socket(edge, f"/ws/workflows/{client.id}?after={client.after}"):
        yield frame


async def ids_by_events(client: Client, edge: Place) -> Line:
    """Follow a set of one, as `EventSource` does."""
    async for frame in events(edge.client, f"/events/workflows?ids={client.id}", _resumed(client)):
        yield frame


async def ids_by_socket(client: Client, edge: Place) -> Line:
    """Follow a set that is changed on the open socket."""
    wanted = {"type": "subscribe", "ids": [client.id]}
    async for frame in _socket(edge, f"/ws/workflows?ids=&after={client.after}", wanted):
        yield frame


async def list_by_events(client: Client, edge: Place) -> Line:
    """Load a list, then follow its filter by server-sent events."""
    await _load(client, edge)
    query = f"q={client.title}&after={client.after}"
    async for frame in events(edge.client, f"/events/workflows?{query}", _resumed(client)):
        yield frame


async def list_by_socket(client: Client, edge: Place) -> Line:
    """Load a list, then follow its filter by WebSocket."""
    await _load(client, edge)
    query = f"q={client.title}&after={client.after}"
    async for frame in _socket(edge, f"/ws/workflows?{query}"):
        yield frame


async def by_polling(client: Client, edge: Place) -> Line:
    """Ask again and again, naming what is known."""
    etag = ""
    while True:
        headers = {"If-None-Match": etag, "Lastword-Position": str(client.workflow.get("position", 0))}
        response = await edge.client.get(f"/workflows/{client.id}", headers=headers)
        if response.status_code == 404:
            raise NotThere
        if response.status_code == 503:
            raise NotNow
        etag = response.headers["etag"]
        if response.status_code == 200:
            workflow = response.json()
            yield {"type": "snapshot", "workflow": workflow}
            if workflow["isTerminal"]:
                yield {"type": "end", "id": workflow["id"], "position": workflow["position"]}
                return
        await asyncio.sleep(client.poll_s)


async def _load(client: Client, edge: Place) -> None:
    """Load the list, unless the client has a place to go on from."""
    if client.after:
        return
    cursor = ""
    position: int | None = None
    while True:
        answer = await edge.client.get(f"/workflows?q={client.title}&limit=200{cursor}")
        if answer.status_code == 503:
            raise NotNow
        assert answer.status_code == 200, answer.text
        page = answer.json()
        for workflow in page["items"]:
            client.take({"type": "listed", "workflow": workflow})
        position = page["position"] if position is None else position  # what follows is true since the first
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    client.after = str(position)


WIRES: Final[tuple[Wire, ...]] = (
    one_by_events,
    one_by_events_after,
    one_by_socket,
    ids_by_events,
    ids_by_socket,
    list_by_events,
    list_by_socket,
    by_polling,
)
