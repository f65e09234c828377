"""Who is let in: tokens, cookies, roles, names and origins, on HTTP, SSE and WebSocket."""

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lastword.http.access import InsecureBind
from lastword.http.hub import Hub
from lastword.http.server import EdgeServer
from lastword.http.settings import HttpSettings
from tests.integration.http.conftest import Edge, OpenEdge, next_frame, told
from tests.integration.http.test_workflows import GOOD, problem
from tests.unit.http.fakes import World

TOKENS = {"token": "operators-secret", "viewer_token": "viewers-secret"}
OPERATOR = {"Authorization": "Bearer operators-secret"}
VIEWER = {"authorization": "bearer viewers-secret"}


async def test_strangers_see_nothing(world: World, open_edge_over: OpenEdge) -> None:
    """Without credentials, or with wrong ones: 401, or 4001 on WebSocket; probes and app are open."""
    world.run("w-1")
    async with open_edge_over(world, **TOKENS) as edge:
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic b3A6"},
            {"Cookie": "a=b"},
        ):
            for path in (
                "/workflows/w-1",
                "/workflows",
                "/events/workflows/w-1",
                "/metrics",
                "/config",
                "/nope",
            ):
                response = await edge.client.get(path, headers=headers)
                problem(response, 401, "unauthenticated")
                assert "Bearer" == response.headers["www-authenticate"]
            async with connect(f"{edge.ws}/ws/workflows/w-1", additional_headers=headers) as socket:
                assert ([], 4001) == await told(socket)
        for path in ("/health/live", "/health/ready", "/ui/"):
            assert 200 == (await edge.client.get(path)).status_code


async def test_a_viewer_looks_and_an_operator_acts(world: World, open_edge_over: OpenEdge) -> None:
    """A viewer's POST is 403 and changes nothing."""
    world.run("w-1")
    async with open_edge_over(world, **TOKENS) as edge:
        assert 200 == (await edge.client.get("/workflows/w-1", headers=VIEWER)).status_code
        async with connect(f"{edge.ws}/ws/workflows/w-1", additional_headers=VIEWER) as socket:
            assert "hello" == (await next_frame(socket))["type"]
        for path in (
            "/workflows",
            "/workflows/w-1/cancel",
            "/workflows/w-1/retry",
            "/workflows/w-1/reconcile",
        ):
            problem(await edge.client.post(path, headers=VIEWER, json=GOOD), 403, "forbidden")
        assert 2 == len(world.log)
        assert 200 == (await edge.client.post("/workflows/w-1/cancel", headers=OPERATOR)).status_code


async def test_a_page_signs_in_once(world: World, open_edge_over: OpenEdge) -> None:
    """A token buys a cookie that scripts cannot read; it opens every wire, and signing out ends it."""
    world.run("w-1")
    async with open_edge_over(world, **TOKENS) as edge:
        problem(await edge.client.post("/session", json={"token": "wrong"}), 401, "unauthenticated")
        problem(await edge.client.get("/session"), 401, "unauthenticated")
        response = await edge.client.post("/session", json={"token": "viewers-secret"})
        assert {"role": "viewer", "required": True} == response.json()
        cookie = response.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "viewers-secret" not in cookie
        assert 200 == (await edge.client.get("/workflows/w-1")).status_code
        header = {"Cookie": cookie.partition(";")[0]}
        async with connect(f"{edge.ws}/ws/workflows/w-1", additional_headers=header) as socket:
            assert "hello" == (await next_frame(socket))["type"]
        assert 204 == (await edge.client.delete("/session")).status_code
        problem(await edge.client.get("/workflows/w-1"), 401, "unauthenticated")


async def test_only_own_names_are_answered_to(edge: Edge) -> None:
    """A page that lets its own name point here (DNS rebinding) is refused, on every wire."""
    edge.world.run("w-1")
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "10.0.0.1"):
        response = await edge.client.get("/workflows/w-1", headers={"Host": host})
        assert (421, "wrong_host") == (response.status_code, response.json()["code"])
    for host in ("localhost", "LOCALHOST:9999", "127.0.0.1:1", "[::1]:8484"):
        assert 200 == (await edge.client.get("/workflows/w-1", headers={"Host": host})).status_code
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{edge.ws}/ws/workflows/w-1", additional_headers={"Host": "evil.example"})
    assert 421 == refused.value.response.status_code


async def test_foreign_pages_are_refused(edge: Edge) -> None:
    """An `Origin` that is not this server's own gets 403: a WebSocket handshake too."""
    edge.world.run("w-1")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"{edge.url}.evil.example"):
        for path in ("/workflows/w-1", "/events/workflows/w-1", "/workflows"):
            problem(await edge.client.get(path, headers={"Origin": origin}), 403, "foreign_origin")
        problem(
            await edge.client.post("/workflows", json=GOOD, headers={"Origin": origin}), 403, "foreign_origin"
        )
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{edge.ws}/ws/workflows/w-1", additional_headers={"Origin": origin})
        assert 403 == refused.value.response.status_code
        assert b"foreign_origin" in refused.value.response.body
    own = {"Origin": edge.url}
    assert 200 == (await edge.client.get("/workflows/w-1", headers=own)).status_code
    async with connect(f"{edge.ws}/ws/workflows/w-1", additional_headers=own) as socket:
        assert "hello" == (await next_frame(socket))["type"]


async def test_allowed_pages_may_read_the_answers(world: World, open_edge_over: OpenEdge) -> None:
    """`allowed_origins` and `allowed_hosts` open what is closed by default."""
    world.run("w-1")
    page = "http://app.example:4200"
    async with open_edge_over(world, allowed_origins=(page,), allowed_hosts=("edge.example",)) as edge:
        headers = {"Origin": page, "Host": "edge.example"}
        response = await edge.client.get("/workflows/w-1", headers=headers)
        assert (200, page) == (response.status_code, response.headers["access-control-allow-origin"])
        asked = await edge.client.options("/workflows", headers=headers)
        assert (204, page) == (asked.status_code, asked.headers["access-control-allow-origin"])
        assert "POST" in asked.headers["access-control-allow-methods"]
        async with connect(f"{edge.ws}/ws/workflows/w-1", additional_headers={"Origin": page}) as socket:
            assert "hello" == (await next_frame(socket))["type"]


async def test_nothing_listens_beyond_loopback_without_a_token() -> None:
    """The refusal names the host and the remedy."""
    hub = Hub(stale_after_s=9)
    for host in ("0.0.0.0", "::", "192.0.2.1", "edge.example"):  # noqa: S104  it is refused
        with pytest.raises(InsecureBind, match="LASTWORD_HTTP__TOKEN") as refused:
            EdgeServer(object(), hub=hub, settings=HttpSettings(host=host))
        assert host == refused.value.host
