"""Any bytes at all over WebSocket: a documented answer each, and nobody else notices.

`make search` looks for new examples; `make test` repeats the same ones.
"""

import gc
import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lastword.contracts.ids import is_token
from lastword.http.asyncapi import asyncapi_document
from lastword.http.protocols import IDLE_FRAMES
from tests.integration.http.frame_oracle import read_frames
from tests.integration.http.ground import Ground, RawSocket, client_frame, open_ground
from tests.unit.http.fakes import World

LIMIT = 2_000  # bytes of a message
MAX_IDS = 3
BAD_MESSAGES = 20  # after which a client is closed with 1008
SHOWN = tuple(f"w-{number}" for number in range(5))
SENTINEL = b"that was all"
SEARCHING = settings.get_current_profile_name() == "search"
steady = settings(
    max_examples=2_000 if SEARCHING else 60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_schemas = asyncapi_document(version="0")["components"]["schemas"]
DESCRIBED = jsonschema.Draft202012Validator(
    {
        "anyOf": [
            {"$ref": f"#/components/schemas/{name}"}
            for name in ("Subscribe", "Unsubscribe", "Select", "Knock")
        ],
        "components": {"schemas": _schemas},
    }
)


_numbers = itertools.count(1)


class Bystander:
    """A client that minds its own business, by WebSocket or by events."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._name = f"bystander-{next(_numbers)}"
        ground.call(lambda: ground.world.run(self._name))
        self._socket = RawSocket(ground, f"/ws/workflows/{self._name}")
        self._events = ground.connect()
        self._events.sendall(
            f"GET /events/workflows/{self._name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        self._count = 0
        self._frames: list[dict[str, Any]] = []
        self._text = b""
        ground.await_streams(2)

    def stir(self) -> None:
        """Let its workflow get further, and see that both are told: whoever never reads is shown the door."""
        self._count += 1
        self._frames.append({"type": "ping"})  # so that the progress before is not taken for this one
        self._ground.call(lambda: self._ground.world.progress(self._name, self._count))
        while self._frames[-1]["type"] != "progress":
            told = self._socket.told()
            assert told is not None
            self._frames.append(json.loads(told.payload))
        while self._text.count(b"event: progress") < self._count:
            self._text += self._events.recv(65_536)

    def close(self) -> None:
        """Go."""
        self._socket.close()
        self._events.close()

    def check(self) -> None:
        """See that both were told everything, the end once."""
        self._ground.call(lambda: self._ground.world.succeed(self._name))
        while (told := self._socket.told()) is not None and told.opcode == 1:
            self._frames.append(json.loads(told.payload))
        assert told is not None
        assert (8, 1000) == (told.opcode, int.from_bytes(told.payload[:2], "big"))
        while not self._text.endswith(b"0\r\n\r\n"):
            self._text += self._events.recv(65_536)
        events = [
            json.loads(line.removeprefix(b"data: "))
            for line in self._text.split(b"\n")
            if line.startswith(b"data: ")
        ]
        for seen in (self._frames, events):
            kinds = [frame["type"] for frame in seen if frame["type"] != "ping"]
            assert ["hello", "snapshot", *["progress"] * self._count, "status", "end"] == kinds


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """Give an edge with small limits and some workflows."""
    world = World()
    for name in SHOWN:
        world.run(name)
    with open_ground(world, max_frame_bytes=LIMIT, max_ids_per_stream=MAX_IDS, stale_after_s=3_600) as opened:
        yield opened


@pytest.fixture
def bystander(ground: Ground) -> Iterator[Bystander]:
    """Give a client that must not be disturbed, and see afterwards that it was not."""
    beside = Bystander(ground)
    try:
        yield beside
        beside.check()
    finally:
        beside.close()
    ground.await_streams(0)
    assert [] == ground.complaints


def close_frame(code: int, reason: bytes) -> bytes:
    """Return a frame that closes the connection, with a code that may or may not be sent."""
    return client_frame(code.to_bytes(2, "big") + reason, 8)


bad_ids = st.sampled_from(["", "a\n", "a b", "a.b", "*", ">", "\0", "ä", "x" * 65, "x" * 1_500, "../w-1"])
ids = st.lists(st.sampled_from([*SHOWN, "nobody", "w_9"]) | bad_ids | st.text(max_size=8), max_size=7)
scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
kinds: st.SearchStrategy[Any] = st.sampled_from(["subscribe", "filter", "ping", "hello", "dance"]) | scalars
shaped: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["subscribe", "unsubscribe"]), "ids": ids}),
    st.fixed_dictionaries({"type": st.just("ping")}),
    st.fixed_dictionaries(
        {"type": st.just("filter")},
        optional={
            "status": st.lists(st.sampled_from(["running", "success", "walking"]) | scalars, max_size=3),
            "definition": scalars,
            "q": scalars,
            "executor": scalars,
            "retry_of": scalars,
        },
    ),
    st.fixed_dictionaries(
        {"type": kinds},
        optional={"ids": values, "status": values, "more": values},
    ),
    values,
)
texts = shaped.map(json.dumps) | st.sampled_from(
    [
        *("", " ", "{", "[]", "nul", "NaN", "-Infinity", "1e999", "9" * 400, '"' + "x" * 1_900, "\ufeff{}"),
        *(
            "[" * 1_900,
            '{"a":' * 300,
            '{"type":"ping"} x',
            '{"type":"ping","type":"ping"}',
            '{"type":"\\ud800"}',
        ),
        *('{"type":"subscribe","ids":[NaN]}', '{"type":"subscribe","ids":null}', '{"type":["ping"]}'),
    ]
)
payloads = (
    texts.map(str.encode) | st.binary(max_size=300) | st.sampled_from([b"\xff", b"\xed\xa0\x80", b"x" * 126])
)
frames = st.one_of(
    payloads.map(client_frame),
    st.builds(
        client_frame,
        payloads,
        st.sampled_from([0, 1, 2, 8, 9, 10]),
        fin=st.booleans(),
    ),
    st.builds(
        client_frame,
        payloads,
        st.integers(0, 15),
        fin=st.booleans(),
        reserved=st.sampled_from([0, 0, 0, 1, 2, 4, 7]),
        masked=st.sampled_from([True, True, False]),
        size=st.none()
        | st.sampled_from([0, 125, 126, LIMIT, LIMIT + 1, 65_535, 65_536, 1 << 40, (1 << 64) - 1]),
    ),
    st.binary(min_size=2, max_size=40),
    st.builds(
        close_frame,
        st.sampled_from([0, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1011, 2999, 3000, 4999, 5000, 65_535]),
        st.binary(max_size=10),
    ),
)


@steady
@given(parts=st.lists(frames, min_size=1, max_size=6))
def test_any_bytes_get_what_the_standard_says(
    ground: Ground, bystander: Bystander, parts: list[bytes]
) -> None:
    """Close codes 1002, 1007 and 1009 where they are due, and else every ping its pong."""
    bystander.stir()
    data, reading = completed(b"".join(parts))
    if len(reading.messages) >= BAD_MESSAGES:
        return
    with RawSocket(ground, "/ws/workflows/w-0") as peer:
        peer.send(data)
        pongs: list[bytes] = []
        while (told := peer.told()) is not None and told.opcode != 8:
            pongs += [told.payload] if told.opcode == 10 else []
            if not reading.closes and told.payload == SENTINEL:
                break
        if reading.closes:
            assert told is not None, "closed without a word"
            code = int.from_bytes(told.payload[:2], "big") if told.payload else 1005
            assert code in reading.closes, (code, told.payload)
            assert pongs == reading.pings[: len(pongs)]
        else:
            assert [*reading.pings] == pongs


@steady
@given(messages=st.lists(texts, min_size=1, max_size=BAD_MESSAGES - 2))
def test_any_message_gets_its_answer(ground: Ground, bystander: Bystander, messages: list[str]) -> None:
    """What is described is followed or refused with a reason, all else is malformed; the stream goes on."""
    bystander.stir()
    with RawSocket(ground, "/ws/workflows?ids=w-0") as peer:
        expected: list[str] = []
        shown = {"w-0"}
        for message in messages:
            if len(message.encode()) <= LIMIT:
                peer.send(client_frame(message.encode()))
                expected += answers(message, shown)
        peer.send(client_frame(SENTINEL))
        problems: list[str] = []
        while True:
            told = peer.told()
            assert told is not None
            assert 1 == told.opcode
            frame = json.loads(told.payload)
            assert len(told.payload) < 40_000
            problems += [frame["code"]] if frame["type"] == "problem" else []
            if len(problems) == len(expected) + 1:
                break
        assert [*expected, "malformed_message"] == problems


def test_twenty_messages_that_cannot_be_read_close_the_stream(ground: Ground, bystander: Bystander) -> None:
    """With 1008, after nineteen answers, however many more are on their way."""
    bystander.stir()
    with RawSocket(ground, "/ws/workflows/w-0") as peer:
        peer.send(client_frame(b"?") * 500)
        kinds: list[Any] = []
        while (told := peer.told()) is not None and told.opcode == 1:
            kinds.append(json.loads(told.payload).get("code"))
        assert told is not None
        assert (8, 1008) == (told.opcode, int.from_bytes(told.payload[:2], "big"))
        assert BAD_MESSAGES - 1 == kinds.count("malformed_message")


def test_floods_leave_memory_flat(ground: Ground, bystander: Bystander) -> None:
    """Endless pings, pongs and empty fragments are closed with 1008, and nothing is left of anybody."""
    bystander.stir()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for frame in (client_frame(b"p" * 125, 9), client_frame(b"", 10), client_frame(b"", 0, fin=False)):
        for count in (IDLE_FRAMES + 1, 50_000):
            with RawSocket(ground, "/ws/workflows/w-1") as peer:
                peer.send(client_frame(b"", 1, fin=False) + frame * count)
                # Whoever is still sending when it is closed may be told by a reset alone.
                assert closes(peer) in ([{1008}] if count < 50_000 else [{1008}, set()])
    for number in range(300):
        with RawSocket(ground, "/ws/workflows/w-1") as peer:
            peer.send((client_frame(b"x" * LIMIT * 2), client_frame(b"\xff"), b"\0" * 9)[number % 3])
            assert {(1009, 1007, 1002)[number % 3]} == closes(peer)
    ground.await_streams(2)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 500_000, grown


def closes(peer: RawSocket) -> set[int]:
    """Return the codes with which the server closes a connection."""
    codes: set[int] = set()
    while (told := peer.told()) is not None:
        codes |= {int.from_bytes(told.payload[:2], "big")} if told.opcode == 8 else set()
    return codes


def completed(data: bytes) -> tuple[bytes, Any]:
    """Return the bytes with what the last frame still wants and a last ping, and what they all say."""
    while True:
        reading = read_frames(data, LIMIT)
        if reading.missing:
            data += bytes(reading.missing)
        elif reading.closes or SENTINEL in reading.pings:
            return data, reading
        else:
            data += client_frame(SENTINEL, 9)


def answers(message: str, shown: set[str]) -> list[str]:
    """Return the codes of the problems that a message on a stream by ids is answered with."""
    try:
        value = json.loads(message, parse_constant=_refuse)
        message.encode().decode()
    except (ValueError, RecursionError):
        return ["malformed_message"]
    if not DESCRIBED.is_valid(value):
        return ["malformed_message"]
    match value["type"]:
        case "filter":
            return ["wrong_mode"]
        case "subscribe":
            return _subscribe(list(dict.fromkeys(value["ids"])), shown)
        case "unsubscribe":
            shown.difference_update(value["ids"])
            return []
        case _:
            return []


def _subscribe(asked: list[str], shown: set[str]) -> list[str]:
    new = [name for name in asked if name not in shown]
    codes = ["unknown_workflow"] if any(not is_token(name) for name in new) else []
    new = [name for name in new if is_token(name)]
    if len(shown) + len(new) > MAX_IDS:
        return [*codes, "too_many_ids"]
    shown.update(name for name in new if name in SHOWN)
    return [*codes, "unknown_workflow"] if set(new) - set(SHOWN) else codes


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
