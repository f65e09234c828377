"""What travels beside HTTP, described: valid by AsyncAPI's own schema, and true."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from websockets.asyncio.client import connect

from lastword.bus import BusSettings
from lastword.bus.streams import stream_configs
from lastword.contracts import subjects
from lastword.contracts.traffic import TRAFFIC
from lastword.http.asyncapi import asyncapi_document
from tests.integration.http.conftest import Edge, told
from tests.integration.http.test_openapi import check

DOCUMENT = asyncapi_document(version="0.0.0")
SPECIFICATION = Path(__file__).parents[3] / "frontend/node_modules/@asyncapi/specs/schemas/3.0.0.json"


def test_the_document_is_asyncapi() -> None:
    """By the schema that the specification's authors publish (`make frontend` installs it)."""
    schema = json.loads(SPECIFICATION.read_text("utf-8"))
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)
    broken = DOCUMENT | {"operations": {"x": {"action": "whisper", "channel": {"$ref": "#/channels/log"}}}}
    assert not jsonschema.Draft7Validator(schema).is_valid(broken)


def test_every_reference_leads_somewhere() -> None:
    """And what an operation says is said on its own channel, which the schema does not check."""
    for reference in references(DOCUMENT):
        resolve(reference)
    for operation in DOCUMENT["operations"].values():
        for end in (operation, operation.get("reply", operation)):
            of_channel = f"{end['channel']['$ref']}/messages/"
            assert end["messages"]
            assert all(message["$ref"].startswith(of_channel) for message in end["messages"])


def test_every_subject_is_there_with_its_stream() -> None:
    """What the bus sets up is what is described: nothing more, nothing less."""
    built = {
        getattr(subjects, name)()
        for name in subjects.__all__
        if name in {"definition", "executor", "job", "log", "logline", "metrics", "progress", "pulse"}
        or name in {"refused", "report", "status"}
    }
    described = {row.subject for row in TRAFFIC if not row.subject.startswith("lastword.command.")}
    assert built == described
    streams = {
        config["name"]: config["subjects"]
        for config in stream_configs(replicas=1, partitions=1, settings=BusSettings())
    }
    assert streams == {row.stream: [row.subject] for row in TRAFFIC if row.stream is not None}
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values() if channel["address"]]
    assert len(addresses) == len(set(addresses))
    assert {row.address for row in TRAFFIC} <= set(addresses)


@pytest.mark.parametrize("stream", ["streamWorkflow", "streamWorkflows", "streamWorkflowLogs"])
async def test_streams_carry_what_is_described(edge: Edge, stream: str) -> None:
    """Each frame, over WebSocket and as an event, is one of its channel's messages, valid by its payload."""
    world = edge.world
    world.run("w-1")
    world.say("w-1", "one")
    seen: set[str] = set()
    query = "?ids=w-1" if stream == "streamWorkflows" else ""
    path = address(f"{stream}Events") + query
    async for frame in edge.frames(path):
        del frame["_id"]
        seen.add(described_as(f"{stream}Events", frame))
        if frame["type"] in {"snapshot", "output"}:
            world.progress("w-1", 1)
            world.succeed("w-1")
    socket_seen: set[str] = set()
    async with connect(f"{edge.ws}{address(f'{stream}Socket')}{query}") as socket:
        if query:  # a stream that can be changed ends with its client only
            await socket.send("[]")
            while not socket_seen >= {"frameHello", "frameEnd", "frameRejected"}:
                socket_seen.add(described_as(f"{stream}Socket", json.loads(await socket.recv())))
        else:
            socket_seen = {described_as(f"{stream}Socket", frame) for frame in (await told(socket))[0]}
    assert {"frameHello", "frameEnd"} <= seen & socket_seen


def address(channel: str) -> str:
    """Return where a channel is, for the workflow of these tests."""
    return str(DOCUMENT["channels"][channel]["address"]).replace("{workflow_id}", "w-1")


def described_as(channel: str, frame: dict[str, Any]) -> str:
    """Return the message of the channel that a frame is, after a look at its form."""
    for key, reference in DOCUMENT["channels"][channel]["messages"].items():
        message = resolve(reference["$ref"])
        if message["name"] == frame["type"] and not key.startswith("message"):
            check(DOCUMENT, message["payload"], frame)
            return str(key)
    raise AssertionError(f"{frame['type']} is no message of {channel}")


def references(value: Any) -> Iterator[str]:
    """Yield every reference inside a document."""
    match value:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for member in cast("dict[str, Any]", value).values():
                yield from references(member)
        case [*items]:
            for item in items:
                yield from references(item)
        case _:
            pass


def resolve(reference: str) -> Any:
    """Return what a reference leads to; raise `KeyError` where that is nothing."""
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found
