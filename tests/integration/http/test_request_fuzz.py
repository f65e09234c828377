"""Requests that are none, and headers that say anything: a documented answer each, and the server lives."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lastword.http.problems import CODES
from tests.integration.http.conftest import PLAIN
from tests.integration.http.ground import Ground, RawSocket, open_ground
from tests.unit.http.fakes import EPOCH, World

SEARCHING = settings.get_current_profile_name() == "search"
steady = settings(
    max_examples=2_000 if SEARCHING else 80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HANDSHAKE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """Give an edge that is quick to lose patience, with a workflow that runs and one that has ended."""
    world = World()
    world.run("w-1")
    world.run("w-2")
    world.succeed("w-2")
    with (
        pytest.MonkeyPatch.context() as patch,
        open_ground(world, max_stream_age_s=0.01, ping_s=0.05) as opened,
    ):
        patch.setattr("lastword.http.protocols.HEADERS_S", 0.2)
        yield opened
        assert [] == opened.complaints


@pytest.fixture(scope="module")
def client(ground: Ground) -> Iterator[httpx.Client]:
    """Give a client that makes proper requests."""
    with httpx.Client(base_url=ground.edge.url, trust_env=False, verify=PLAIN) as opened:
        yield opened


methods = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "FOO", "", "G\0T"]
)
paths = st.sampled_from(
    [
        *(
            "/workflows/w-1",
            "/workflows",
            "/workflows/w-1/cancel",
            "/events/workflows/w-1",
            "/ws/workflows/w-1",
        ),
        *("*", "//", "/../..", "/%", "/%00", "/workflows/%ff", "http://elsewhere/", "/ä", "/ws/nothing", ""),
        *(
            "/workflows?limit=%00",
            "/workflows?" + "a&" * 4_000,
            "/workflows/" + "x" * 7_000,
            "/\\",
            "/ui/%2e%2e",
        ),
        *("/workflows?q=%ed%a0%80", "/workflows?since=\t", "/session", "/metrics?x", "/schema?", "/w\r\n/x"),
    ]
)
versions = st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "ICY", ""])
lines = st.sampled_from(
    [
        *(
            "Host: localhost\r\n",
            "Host: localhost\r\n",
            "Host: elsewhere\r\n",
            "Host: a\r\nHost: b\r\n",
            "Host:\r\n",
        ),
        *("Content-Length: 2\r\n", "Content-Length: -1\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n"),
        *("Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n", "Expect: 100-continue\r\n"),
        *(
            "Content-Type: application/json\r\n",
            "Content-Type: ;;;\r\n",
            "Authorization: Bearer\r\n",
            ": x\r\n",
        ),
        *(
            "Cookie: lastword_session=\x01\r\n",
            "Origin: null\r\n",
            "Origin: http://localhost\r\n",
            "a" * 9_000,
        ),
        *(
            "X: \xff\xfe\r\n",
            "X: y\r\n z\r\n",
            "no colon\r\n",
            "X:" + "y" * 8_500 + "\r\n",
            "X: y\r\n" * 150,
            "\n\n",
        ),
        *(HANDSHAKE, HANDSHAKE + KEY, HANDSHAKE + "Sec-WebSocket-Key: short\r\n", "Upgrade: h2c\r\n"),
        *("Lastword-Position: -1\r\n", "Idempotency-Key:  \r\n", "If-Modified-Since: never\r\n"),
    ]
)
bodies = st.sampled_from(
    [b"", b"{}", b"{", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffff\r\n", b"zz\r\n"]
)


def written(method: str, path: str, version: str, headers: list[str], body: bytes) -> bytes:
    """Return a request as it goes over the wire, if it is one."""
    return f"{method} {path} {version}\r\n{''.join(headers)}\r\n".encode("latin-1") + body


requests = st.builds(written, methods, paths, versions, st.lists(lines, max_size=4), bodies)


@steady
@given(data=requests | st.binary(min_size=1, max_size=60).map(lambda junk: junk + b"\r\n\r\n"))
@example(data=f"POST /ws/workflows/w-1 HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}{KEY}\r\n".encode())
@example(
    data=f"GET /ws/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n{HANDSHAKE}{KEY}\r\n{{}}".encode()
)
def test_whatever_is_sent_is_answered_or_hung_up_on(ground: Ground, data: bytes) -> None:
    """Never by 500, and each refusal of a request is a problem by its code."""
    with ground.connect() as peer:
        peer.sendall(data)
        text = b""
        try:
            while more := peer.recv(65_536):
                text += more
                if answered(text):
                    break
        except ConnectionError:
            pass
    for status, head, body in responses(text):
        assert status in {100, 101, 200, 201, 204, 304, 307, *(status for status, _ in CODES.values())} - {
            500
        }
        if status >= 400 and body and b"websocket connection" not in body.lower():
            assert b"application/problem+json" in head.lower(), text[:600]
            problem = json.loads(body)
            assert (status, CODES[problem["code"]][0]) == (problem["status"], status)


etags = st.sampled_from(['"x"', 'W/"x"', 'W/""', '"a,b"', "*", '"', 'W/"', ",", "", 'w/"x"', "x" * 500])


@steady
@given(given_tags=st.lists(etags, max_size=5), own=st.booleans(), at=st.integers(0, 5))
def test_a_list_of_etags_matches_where_it_names_the_state(
    client: httpx.Client, given_tags: list[str], at: int, *, own: bool
) -> None:
    """Wherever in the list it stands, whatever else stands there; garbage matches nothing."""
    etag = client.get("/workflows/w-2").headers["etag"]
    if own:
        given_tags.insert(at, etag)
    response = client.get("/workflows/w-2", headers={"If-None-Match": ", ".join(given_tags).strip()})
    matched = own or ", ".join(given_tags).strip() == "*"
    assert (304 if matched else 200) == response.status_code
    assert etag == response.headers["etag"]


places = st.one_of(
    st.integers(-3, 12).map(str),
    st.sampled_from(["", "x", "1e3", "0x2", "+1", "9" * 60, "9" * 70, "\u0661", "2.0", "NaN", "-0"]),
)


@steady
@given(
    epoch=st.sampled_from([None, EPOCH, "otherlog", "", "a:b"]),
    place=places,
    wire=st.sampled_from(["events", "ws"]),
)
def test_a_place_to_resume_from_counts_where_it_is_one(
    ground: Ground, client: httpx.Client, epoch: str | None, place: str, wire: str
) -> None:
    """In this log and not in its future: else `recovered` is false, and the present state follows."""
    head = len(ground.world.log)
    text = place if epoch is None else f"{epoch}:{place}"
    real = epoch in {None, EPOCH} and re.fullmatch("[0-9]{1,64}", place) is not None and int(place) <= head
    kinds: list[str]
    if wire == "ws":
        with RawSocket(ground, ws(text)) as peer:
            first = peer.told()
            assert first is not None
            if len(text) > 64:  # a parameter has a limit; a header that is no place is passed over
                assert (8, 4400) == (first.opcode, int.from_bytes(first.payload[:2], "big"))
                return
            second = peer.told()
            assert second is not None
            hello, kinds = json.loads(first.payload), [json.loads(second.payload)["type"]]
    else:
        body = client.get("/events/workflows/w-1", headers={b"Last-Event-ID": text.encode()}).text
        told = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
        hello, kinds = told[0], [frame["type"] for frame in told[1:]]
    assert real == hello["recovered"]
    assert "hello" == hello["type"]
    missed = real and int(place) < 2  # the workflow's records are the log's first two
    assert ("status" if missed else "snapshot") == kinds[0]
    response = client.get("/events/workflows/w-2", headers={b"Last-Event-ID": text.encode()})
    assert (204 if real and int(place) >= 5 else 200) == response.status_code


def ws(text: str) -> str:
    """Return the address of a WebSocket that resumes after `text`."""
    return str(httpx.URL("/ws/workflows/w-1", params={"after": text}))


def answered(text: bytes) -> bool:
    """Tell whether a response has come that ends by itself: a stream of events and a WebSocket end later."""
    head, found, body = text.partition(b"\r\n\r\n")
    if not found or head.startswith(b"HTTP/1.1 100"):
        return False
    if head.startswith((b"HTTP/1.1 101", b"HTTP/1.1 204", b"HTTP/1.1 304")):
        return True
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and (len(body) >= int(length[1]) or len(body) == 0)


def responses(text: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the first response of a connection that is one."""
    text = text.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, found, body = text.partition(b"\r\n\r\n")
    if found:
        assert head.startswith(b"HTTP/1.1 "), text[:200]
        yield int(head.split(b" ")[1]), head, body
