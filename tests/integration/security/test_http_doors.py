"""Every role at every route of the edge, and what attackers try at its doors.

What each role may do is written down here by hand and held against the application's own table of routes: a
route that is added without a rule fails the first test.  Names, origins and roles on live streams are tried
in `tests/integration/http/test_access.py`; endless, slow and oversized requests in `test_bad_input.py`.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lastword.http.access import Access
from lastword.http.settings import HttpSettings
from lastword.http.watch import TokenWatch
from lastword.storage import TokenStore, open_database, upgrade
from lastword.storage.settings import StorageSettings
from lastword.telemetry.render import as_json, as_text
from tests.integration.http.conftest import (
    Edge,
    OpenEdge,
    edge,
    next_frame,
    open_edge_over,
    told,
    world,
)
from tests.unit.http.fakes import World

__all__ = ["edge", "open_edge_over", "world"]

ANYONE, VIEWERS, OPERATORS = "anyone", "viewers", "operators"
ONE: Final = "/workflows/{workflow_id:str}"
RULES: Final[Mapping[tuple[str, str], str]] = {
    ("GET", "/"): ANYONE,
    ("GET", "/ui"): ANYONE,
    ("GET", "/ui/{path:path}"): ANYONE,
    ("GET", "/health/live"): ANYONE,
    ("GET", "/health/ready"): ANYONE,
    ("GET", "/session"): VIEWERS,
    ("POST", "/session"): ANYONE,
    ("DELETE", "/session"): ANYONE,
    ("GET", "/workflows"): VIEWERS,
    ("GET", ONE): VIEWERS,
    ("GET", f"{ONE}/history"): VIEWERS,
    ("GET", f"{ONE}/logs"): VIEWERS,
    ("GET", f"{ONE}/result"): VIEWERS,
    ("GET", "/definitions"): VIEWERS,
    ("GET", "/executors"): VIEWERS,
    ("GET", "/summary"): VIEWERS,
    ("GET", "/trends"): VIEWERS,
    ("GET", "/config"): VIEWERS,
    ("GET", "/metrics"): VIEWERS,
    ("GET", "/schema"): VIEWERS,
    ("GET", "/schema/openapi.json"): VIEWERS,
    ("GET", "/schema/asyncapi.json"): VIEWERS,
    ("GET", "/events/workflows"): VIEWERS,
    ("GET", "/events/workflows/{workflow_id:str}"): VIEWERS,
    ("GET", "/events/workflows/{workflow_id:str}/logs"): VIEWERS,
    ("WS", "/ws/workflows"): VIEWERS,
    ("WS", "/ws/workflows/{workflow_id:str}"): VIEWERS,
    ("WS", "/ws/workflows/{workflow_id:str}/logs"): VIEWERS,
    ("POST", "/workflows"): OPERATORS,
    ("POST", f"{ONE}/cancel"): OPERATORS,
    ("POST", f"{ONE}/retry"): OPERATORS,
    ("POST", f"{ONE}/reconcile"): OPERATORS,
}
"""Who may pass where; to pass is to be answered by the route itself, whatever it answers."""
TOKENS: Final = {"token": "operators-secret", "viewer_token": "viewers-secret"}
CALLERS: Final[Mapping[str, dict[str, str]]] = {
    "nobody": {},
    "forger": {"Cookie": "lastword_session=settings-operator.99999999999.0.0"},
    "guesser": {"Authorization": "Bearer a-wrong-one"},
    "viewer": {"Authorization": "Bearer viewers-secret"},
    "operator": {"Authorization": "Bearer operators-secret"},
}
ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    ANYONE: frozenset(CALLERS),
    VIEWERS: frozenset({"viewer", "operator"}),
    OPERATORS: frozenset({"operator"}),
}


def routes(edge: Edge) -> set[tuple[str, str]]:
    """Return the application's own table: method and path of each route."""
    application: Any = edge.app
    found: set[tuple[str, str]] = set()
    for route in application.routes:
        methods = {"WS"} if route.path.startswith("/ws/") else set(getattr(route, "methods", ()))
        found |= {(method, route.path) for method in methods - {"HEAD", "OPTIONS"}}
    return found


async def test_every_route_has_a_rule(edge: Edge) -> None:
    """And every rule a route."""
    assert set(RULES) == routes(edge)


async def test_every_role_at_every_route(
    world: World, open_edge_over: OpenEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 or 4001 without credentials, 403 for a viewer who would change something, else an answer."""
    world.run("w-1")
    world.run("w-2")
    world.succeed("w-2")
    monkeypatch.setattr("lastword.http.identity.GUESSES", len(RULES))  # each is looked at
    async with open_edge_over(world, **TOKENS) as edge:
        for (method, template), rule in RULES.items():
            path = template.replace("{workflow_id:str}", "w-2").replace("{path:path}", "x")
            for caller, headers in CALLERS.items():
                if method == "WS":
                    code = await _knock(edge, path, headers)
                else:
                    async with edge.client.stream(method, path, headers=headers) as response:
                        code = response.status_code
                passed = code not in {401, 403, 4001}
                assert passed is (caller in ALLOWED[rule]), (method, path, caller, code)
                if not passed:
                    expected = {401, 4001} if caller in {"nobody", "forger", "guesser"} else {403}
                    assert code in expected, (method, path, caller, code)
            edge.client.cookies.clear()


async def _knock(edge: Edge, path: str, headers: dict[str, str]) -> int:
    async with connect(f"{edge.ws}{path}", additional_headers=headers) as socket:
        try:
            async with asyncio.timeout(0.2):  # one that goes on has let us in
                _, code = await told(socket)
        except TimeoutError:
            return 1000
        return code


async def test_a_token_in_an_address_is_refused(world: World, open_edge_over: OpenEdge) -> None:
    """Even the right one, on every wire: addresses are logged, and shown in histories."""
    world.run("w-1")
    async with open_edge_over(world, **TOKENS) as edge:
        for query in ("token=operators-secret", "a=b&access_token=operators-secret", "Token=x"):
            for path in ("/workflows", "/events/workflows/w-1", "/ui/", "/session"):
                for headers in ({}, CALLERS["operator"]):
                    response = await edge.client.get(f"{path}?{query}", headers=headers)
                    assert (400, "token_in_url") == (response.status_code, response.json()["code"])
                    assert "operators-secret" not in response.text
            async with connect(f"{edge.ws}/ws/workflows/w-1?{query}") as socket:
                assert ([], 4400) == await told(socket)


async def test_a_cookie_alone_changes_nothing(world: World, open_edge_over: OpenEdge) -> None:
    """A form of another page's sends it along; only an own page's word counts (CSRF)."""
    world.run("w-1")
    async with open_edge_over(world, **TOKENS) as edge:
        signed_in = await edge.client.post("/session", json={"token": "operators-secret"})
        assert 200 == signed_in.status_code
        foreign = {"Origin": "https://evil.example"}
        for headers in ({}, foreign, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            response = await edge.client.post("/workflows/w-1/cancel", headers=headers)
            assert (403, "foreign_origin") == (response.status_code, response.json()["code"])
        cookie = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
        with pytest.raises(InvalidStatus):
            await connect(f"{edge.ws}/ws/workflows/w-1", additional_headers={**foreign, **cookie})
        assert 2 == len(world.log)
        own = await edge.client.post("/workflows/w-1/cancel", headers={"Origin": edge.url})
        assert 200 == own.status_code


async def test_who_asks_is_who_signed_in(world: World, open_edge_over: OpenEdge) -> None:
    """Not whoever the body names; without credentials, where none are needed, the body's word stands."""
    body = {"definition": "research-brief", "inputs": {"topic": "tides"}, "started_by": "somebody else"}
    async with open_edge_over(world, **TOKENS) as edge:
        started = await edge.client.post("/workflows", json=body, headers=CALLERS["operator"])
        assert (201, "operator") == (started.status_code, started.json()["started_by"])
        path = f"/workflows/{started.json()['id']}/cancel"
        with patch.object(world, "cancel", wraps=world.cancel) as asked:
            await edge.client.post(path, json={"by": "somebody else"}, headers=CALLERS["operator"])
        assert "operator" == asked.call_args.args[0].by
    async with open_edge_over(world) as edge:
        started = await edge.client.post("/workflows", json=body)
        assert "somebody else" == started.json()["started_by"]


async def test_commands_come_no_faster_than_is_taken(world: World, open_edge_over: OpenEdge) -> None:
    """429 with `Retry-After`, for one token; reading, and others, are not concerned."""
    world.run("w-1")
    async with open_edge_over(world, max_commands_per_s=0.2, **TOKENS) as edge:
        answers = [
            await edge.client.post("/workflows/w-1/reconcile", headers=CALLERS["operator"]) for _ in range(3)
        ]
        assert [200, 200, 429] == [answer.status_code for answer in answers]
        assert "too_many_commands" == answers[2].json()["code"]
        assert int(answers[2].headers["retry-after"]) >= 1
        assert 200 == (await edge.client.get("/workflows/w-1", headers=CALLERS["operator"])).status_code


async def test_guessing_is_slowed(world: World, open_edge_over: OpenEdge) -> None:
    """After some wrong tokens 429, for new ones; who was let in before goes on."""
    async with open_edge_over(world, **TOKENS) as edge:
        assert 200 == (await edge.client.get("/config", headers=CALLERS["viewer"])).status_code
        codes = [
            (await edge.client.post("/session", json={"token": f"guess {number}"})).status_code
            for number in range(12)
        ]
        assert [401] * 10 == codes[:10]
        assert 429 == codes[11]
        limited = await edge.client.get("/config", headers=CALLERS["operator"])
        assert (429, "too_many_attempts") == (limited.status_code, limited.json()["code"])
        assert "retry-after" in limited.headers
        assert 200 == (await edge.client.get("/config", headers=CALLERS["viewer"])).status_code


async def test_revoking_a_token_ends_its_open_streams(
    world: World, open_edge_over: OpenEdge, tmp_path: Path
) -> None:
    """On every wire, and of the session that it bought; another token's go on."""
    world.run("w-1")
    settings = StorageSettings()
    await upgrade(f"sqlite:///{tmp_path}/lastword.db")
    async with open_database(settings, tmp_path) as database:
        store, now = TokenStore(database), datetime.now(UTC)
        _, revoked = await store.create("ci", "operator", by="anna", now=now)
        _, kept = await store.create("wall", "viewer", by="anna", now=now)
        access = Access(HttpSettings())
        watch = TokenWatch(access, store)
        await watch.look()
        async with open_edge_over(world, access=access) as edge:
            bought = await edge.client.post("/session", json={"token": revoked})
            cookie = {"Cookie": bought.headers["set-cookie"].partition(";")[0]}
            edge.client.cookies.clear()
            bearer = {"Authorization": f"Bearer {revoked}"}
            other = {"Authorization": f"Bearer {kept}"}
            url = f"{edge.ws}/ws/workflows/w-1"
            async with (
                connect(url, additional_headers=bearer) as one,
                connect(url, additional_headers=cookie) as two,
                connect(url, additional_headers=other) as three,
                edge.client.stream("GET", "/events/workflows/w-1", headers=bearer, timeout=10) as events,
            ):
                for socket in (one, two, three):
                    await next_frame(socket, "snapshot")
                lines = events.aiter_lines()
                while "event: snapshot" not in await anext(lines):
                    pass
                await store.revoke("ci", by="ben", now=datetime.now(UTC))
                await watch.look()
                assert 4001 == (await told(one))[1]
                assert 4001 == (await told(two))[1]
                async for _ in lines:  # it ends
                    pass
                world.succeed("w-1")
                assert 1000 == (await told(three))[1]
            for headers in (bearer, cookie):
                assert 401 == (await edge.client.get("/workflows/w-1", headers=headers)).status_code
        used = {token.name for token in await store.all() if token.last_used_at is not None}
        assert {"ci", "wall"} == used


async def test_every_answer_says_that_it_is_no_page(world: World, open_edge_over: OpenEdge) -> None:
    """Whoever answers: the fast lane, a route, the gate, a stream, the router; the app's page has its own."""
    world.run("w-1")
    async with open_edge_over(world, **TOKENS) as edge:
        for method, path in (
            ("GET", "/workflows/w-1"),
            ("GET", "/workflows/w-1?after=1"),
            ("GET", "/events/workflows/w-1"),
            ("GET", "/metrics"),
            ("GET", "/health/live"),
            ("GET", "/nope"),
            ("GET", "/"),
            ("GET", "/ui/"),
            ("GET", "/ws/workflows"),
            ("OPTIONS", "/workflows"),
            ("DELETE", "/session"),
            ("POST", "/workflows"),
            ("PUT", "/workflows"),
        ):
            for headers in (CALLERS["operator"], {}, {**CALLERS["operator"], "Host": "evil.example"}):
                async with edge.client.stream(method, path, headers=headers) as response:
                    assert "nosniff" == response.headers["x-content-type-options"], (method, path)
                    policy = response.headers["content-security-policy"]
                    assert "frame-ancestors 'none'" in policy, (method, path)
                    assert "unsafe-eval" not in policy
                    assert "referrer-policy" in response.headers
                    assert "server" not in response.headers


async def test_no_file_outside_the_app_is_served(
    world: World, open_edge_over: OpenEdge, tmp_path: Path
) -> None:
    """However the way up is spelt."""
    ui = tmp_path / "ui"
    ui.mkdir()
    (ui / "index.html").write_text("the app", "utf-8")
    (tmp_path / "secret.txt").write_text("a secret", "utf-8")
    (ui / "link.txt").symlink_to(tmp_path / "secret.txt")
    port_paths = (
        "/ui/../secret.txt",
        "/ui/%2e%2e/secret.txt",
        "/ui/..%2fsecret.txt",
        "/ui/%2e%2e%2fsecret.txt",
        "/ui/..%5csecret.txt",
        "/ui/....//secret.txt",
        "/ui//etc/passwd",
        "/ui/%2fetc/passwd",
        "/ui/x/../../secret.txt",
        "/ui/%00secret.txt",
        "/ui/link.txt",
    )
    async with open_edge_over(world, ui=ui) as edge:
        for path in port_paths:
            host, _, port = edge.url.removeprefix("http://").partition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())  # by hand: a client's library would tidy the path up
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            assert b"a secret" not in answer, path
            assert b"root:" not in answer, path
            assert answer.startswith(b"HTTP/1.1 "), path


async def test_only_trusted_proxies_are_believed(world: World, open_edge_over: OpenEdge) -> None:
    """About the client's address, which limits and the audit trail go by, and about TLS."""
    forwarded = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    asked = {"token": "operators-secret"}
    for trusted, address, is_secure in (((), "127.0.0.1", False), (("127.0.0.0/8",), "198.51.100.7", True)):
        async with open_edge_over(world, trusted_proxies=trusted, **TOKENS) as edge:
            with capture_logs() as logs:
                response = await edge.client.post("/session", json=asked, headers=forwarded)
            (line,) = (log for log in logs if log["event"] == "audit.recorded")
            assert address == line["address"]
            assert is_secure is ("; Secure" in response.headers["set-cookie"])


async def test_the_audit_trail_tells_who_did_what(world: World, open_edge_over: OpenEdge) -> None:
    """Carried out or refused, with the request's name, which the caller is told as well."""
    body = {"definition": "research-brief", "inputs": {"topic": "tides"}}
    async with open_edge_over(world, **TOKENS) as edge:
        with capture_logs() as logs:
            named = {**CALLERS["operator"], "X-Request-Id": "from-the-proxy.1"}
            started = await edge.client.post("/workflows", json=body, headers=named)
            workflow = started.json()["id"]
            await edge.client.post(f"/workflows/{workflow}/cancel", headers=CALLERS["viewer"])
            await edge.client.post(f"/workflows/{workflow}/cancel", headers=CALLERS["operator"])
            await edge.client.post("/session", json={"token": "wrong"})
            await edge.client.post("/session", json={"token": "viewers-secret"})
            await edge.client.delete("/session")
            await edge.client.get(f"/workflows/{workflow}", headers=CALLERS["operator"])
    trail = [log for log in logs if log["event"] == "audit.recorded"]
    assert "from-the-proxy.1" == trail[0]["request"] == started.headers["x-request-id"]
    assert all(re.fullmatch("[0-9a-f]{16}", line["request"]) for line in trail[1:])
    assert [
        ("startWorkflow", 201, "operator", workflow),
        (f"POST /workflows/{workflow}/cancel", 403, "viewer", None),
        ("cancelWorkflow", 200, "operator", workflow),
        ("signIn", 401, "anonymous", None),
        ("signIn", 200, "viewer", None),
        ("signOut", 204, "viewer", None),
    ] == [(line["action"], line["outcome"], line["by"], line.get("workflow")) for line in trail]


async def test_nothing_that_is_sent_forges_a_line_of_the_log_or_shows_a_secret(
    world: World, open_edge_over: OpenEdge
) -> None:
    """Line ends, escape sequences and tokens in ids, names, headers and bodies."""
    evil = 'x\n{"event":"audit.recorded"}\r\x1b[2J\x1b]0;t\x07\u2028'
    quoted = "x%0A%7B%22event%22%3A%22forged%22%7D%0D%1B%5B2J"
    async with open_edge_over(world, **TOKENS) as edge:
        with capture_logs() as logs:
            for headers in CALLERS.values():
                await edge.client.post(f"/workflows/{quoted}/cancel", headers=headers)
                await edge.client.post(f"/{quoted}", headers={**headers, "X-Request-Id": "a b\x1b[2J"})
                body = {"definition": evil, "title": evil, "started_by": evil}
                await edge.client.post("/workflows", json=body, headers=headers)
                await edge.client.post("/session", json={"token": f"viewers-secret{evil}"}, headers=headers)
                await edge.client.get("/workflows", headers={**headers, "User-Agent": "\x1b[2J"})
            await edge.client.post("/session", json={"token": "viewers-secret"})
    assert logs
    for log in logs:
        line = as_json(log).decode()
        text = as_text(log, now=datetime.now(UTC), colours=False)
        assert 1 == line.count("\n")
        assert json.loads(line)
        assert 1 == text.count("\n")
        for shown in (line, text):
            assert "\x1b" not in shown
            assert "secret" not in shown
