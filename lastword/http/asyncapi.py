"""What travels on the live streams and on NATS, for programs: AsyncAPI 3, made from the contracts.

AsyncAPI speaks for one application; this is a system of several, so each operation is tagged with the role
that performs it: `send` is that role's sending.  The edge's side of the live streams is told from the same
`Operation`s that OpenAPI is made from.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from lastword.contracts.frames import Frame, Rejected
from lastword.contracts.traffic import TRAFFIC, Traffic
from lastword.http import live
from lastword.http.examples import WORKFLOW_ID
from lastword.http.hub import CLOSE_GONE, CLOSE_OVERLOADED
from lastword.http.live import CLOSE_CODES, socket_path
from lastword.http.openapi import LICENSE, PARAMETER, SUMMARY, components
from lastword.http.operation import Operation
from lastword.http.parameters import query_schema
from lastword.http.streams import ClientMessage

__all__ = ["CODES", "asyncapi_document"]

JSON: Final = "application/json"
CODES: Final[Mapping[int, tuple[str, str]]] = {
    1000: ("The workflow has ended.", "Nothing."),
    1002: ("What came is no WebSocket frame.", "Mend the client."),
    1007: ("A text message is no UTF-8.", "Mend the client."),
    1008: ("Too many messages that cannot be read, or frames that say nothing.", "Mend the client."),
    1009: ("A message is over `http.max_frame_bytes`.", "Mend the client."),
    CLOSE_CODES["unavailable"]: (
        "The log does not answer, or this edge is behind what the client has seen.",
        "Come back in a moment.",
    ),
    CLOSE_CODES["unauthenticated"]: ("Credentials are missing or wrong.", "Sign in."),
    CLOSE_CODES["feature_off"]: ("WebSocket is turned off.", "Take server-sent events."),
    CLOSE_CODES["unknown_workflow"]: ("There is no such workflow.", "Stop."),
    CLOSE_OVERLOADED: ("Too slow.", "Come back."),
    CLOSE_GONE: ("The server is going away, the connection is old, or there is another log.", "Come back."),
    CLOSE_CODES["invalid_parameter"]: ("The address' parameters cannot be used.", "Mend the client."),
}
"""How a WebSocket ends: what it means, and what a client does then."""
LISTENING: Final = {"streamWorkflows": ClientMessage.__args__}
"""The client messages that a stream follows; on the others only a ping means something."""


def asyncapi_document(*, version: str) -> dict[str, Any]:
    """Return the document."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for row in TRAFFIC:
        _add_traffic(row, channels, operations, messages)
    for frame in (*Frame.__args__, *ClientMessage.__args__):
        messages[_frame_key(frame)] = _message(frame, frame.__struct_config__.tag)
    for operation in live.OPERATIONS:
        _add_socket(operation, channels, operations)
        _add_events(operation, channels, operations)
    structs = [row.message for row in TRAFFIC] + [row.answer for row in TRAFFIC]
    shapes = [shape for shape in structs if shape not in {None, str}]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "lastword",
            "version": version,
            "description": f"{SUMMARY} Fields are only ever added; ignore those that you do not know.",
            "license": LICENSE,
        },
        "defaultContentType": JSON,
        "servers": {
            "nats": {
                "host": "127.0.0.1:4222",
                "protocol": "nats",
                "description": "The bus; `bus.url`, or `run.json` of `lastword up`.",
            },
            "socket": {
                "host": "127.0.0.1:8484",
                "protocol": "ws",
                "description": "The edge, by WebSocket.",
            },
            "events": {
                "host": "127.0.0.1:8484",
                "protocol": "http",
                "description": "The edge, by server-sent events.",
            },
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": _undiscriminated(components([*shapes, ClientMessage, Frame], sent=[Frame])),
        },
    }


def _add_traffic(
    row: Traffic, channels: dict[str, Any], operations: dict[str, Any], messages: dict[str, Any]
) -> None:
    """Add a subject, who sends to it, and who receives from it."""
    messages[row.name] = _message(row.message, row.name)
    if row.headers:
        messages[row.name]["headers"] = {
            "type": "object",
            "properties": {
                name: {"type": "string", "description": text} for name, text in row.headers.items()
            },
        }
    channel: dict[str, Any] = {
        "address": row.address,
        "summary": row.summary,
        "servers": [{"$ref": "#/servers/nats"}],
        "messages": _refs([row.name]),
    }
    if row.parameter:
        channel["parameters"] = {row.parameter: {"description": "One token: letters, digits, `-`, `_`."}}
    if row.stream is not None:
        channel["x-stream"] = row.stream
    channels[row.name] = channel
    said: dict[str, Any] = {"channel": _ref("channels", row.name), "messages": _said(row.name, [row.name])}
    if row.answer is not None:
        answer = f"{row.name}Answer"
        messages[answer] = _message(row.answer, answer)
        channels[answer] = {
            "address": None,
            "summary": f"The inbox that a request to `{row.address}` names.",
            "servers": [{"$ref": "#/servers/nats"}],
            "messages": _refs([answer]),
        }
        said["reply"] = {"channel": _ref("channels", answer), "messages": _said(answer, [answer])}
    for action, roles in (("send", row.senders), ("receive", row.receivers)):
        for role in roles:
            operations[f"{role}{action.capitalize()}s{_capital(row.name)}"] = {
                "action": action,
                "tags": [{"name": role}],
                **said,
            }


def _add_socket(operation: Operation, channels: dict[str, Any], operations: dict[str, Any]) -> None:
    """Add a live stream over WebSocket."""
    name = f"{operation.id}Socket"
    told = [_frame_key(frame) for frame in (*operation.answer.__args__, Rejected)]
    heard = [_frame_key(kind) for kind in LISTENING.get(operation.id, ClientMessage.__args__[-1:])]
    channels[name] = {
        **_channel(operation, socket_path(operation)),
        "servers": [{"$ref": "#/servers/socket"}],
        "messages": _refs([*told, *heard]),
        "bindings": {"ws": {"method": "GET", "query": _query(operation), "bindingVersion": "0.1.0"}},
        "x-close-codes": {str(code): meaning for code, (meaning, _) in sorted(CODES.items())},
    }
    for action, said in (("send", told), ("receive", heard)):
        operations[f"edge{action.capitalize()}s{_capital(name)}"] = {
            "action": action,
            "channel": _ref("channels", name),
            "tags": [{"name": "edge"}],
            "messages": _said(name, said),
        }


def _add_events(operation: Operation, channels: dict[str, Any], operations: dict[str, Any]) -> None:
    """Add a live stream as server-sent events: the data of each is a frame, its name the frame's type."""
    name = f"{operation.id}Events"
    told = [_frame_key(frame) for frame in operation.answer.__args__]
    channels[name] = {
        **_channel(operation, operation.path),
        "servers": [{"$ref": "#/servers/events"}],
        "messages": _refs(told),
    }
    operations[f"edgeSends{_capital(name)}"] = {
        "action": "send",
        "channel": _ref("channels", name),
        "tags": [{"name": "edge"}],
        "messages": _said(name, told),
        "bindings": {"http": {"method": "GET", "query": _query(operation), "bindingVersion": "0.3.0"}},
    }


def _channel(operation: Operation, path: str) -> dict[str, Any]:
    address = PARAMETER.sub(r"{\1}", path)
    found: dict[str, Any] = {"address": address, "summary": f"{operation.summary}."}
    names = re.findall(r"\{(\w+)\}", address)
    if names:
        found["parameters"] = {
            name: {"description": "The workflow's id.", "examples": [WORKFLOW_ID]} for name in names
        }
    return found


def _query(operation: Operation) -> dict[str, Any]:
    assert operation.query is not None  # noqa: S101  each stream can be resumed
    return query_schema(operation.query)


def _message(shape: Any, name: str) -> dict[str, Any]:
    if shape is str:
        return {"name": name, "contentType": "text/plain", "payload": {"type": "string"}}
    return {
        "name": name,
        "title": shape.__name__,
        "contentType": JSON,
        "payload": _ref("components/schemas", shape.__name__),
    }


def _undiscriminated(schema: Any) -> Any:
    """Return a schema without OpenAPI's discriminators, which AsyncAPI spells otherwise: tags tell all."""
    match schema:
        case dict():
            members = cast("dict[str, Any]", schema)
            return {key: _undiscriminated(value) for key, value in members.items() if key != "discriminator"}
        case [*items]:
            return [_undiscriminated(item) for item in items]
        case _:
            return schema


def _frame_key(kind: Any) -> str:
    return f"frame{kind.__name__}" if kind in Frame.__args__ else f"message{kind.__name__}"


def _refs(keys: Iterable[str]) -> dict[str, Any]:
    return {key: _ref("components/messages", key) for key in keys}


def _said(channel: str, keys: Iterable[str]) -> list[dict[str, Any]]:
    return [_ref(f"channels/{channel}/messages", key) for key in keys]


def _ref(where: str, name: str) -> dict[str, Any]:
    return {"$ref": f"#/{where}/{name}"}


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]
