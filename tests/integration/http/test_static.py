"""The browser app's files."""

from pathlib import Path

import pytest

from tests.integration.http.conftest import Edge, OpenEdge
from tests.integration.http.test_workflows import problem
from tests.unit.http.fakes import World


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Write an app as the build leaves it."""
    (tmp_path / "media").mkdir()
    for name, body in {
        "index.html": b"<!doctype html><title>app</title>",
        "main-ABCD1234.js": b"let a = 1",
        "main-ABCD1234.js.br": b"brotli",
        "main-ABCD1234.js.gz": b"gzipped",
        "polyfills.js": b"let p",
        "styles-9f8e7d6c.css": b"a{}",
        "media/inter-latin.woff2": b"font",
        "favicon.svg": b"<svg/>",
    }.items():
        (tmp_path / name).write_bytes(body)
    return tmp_path


async def test_the_app_is_served_with_types_validators_and_limits(
    world: World, open_edge_over: OpenEdge, app: Path
) -> None:
    """Scripts are scripts, hashed names are kept for good, the page is asked for each time."""
    plain = {"Accept-Encoding": "identity"}  # the compressed files of this app are no real ones
    async with open_edge_over(world, ui=app) as edge:
        page = await edge.client.get("/ui/")
        assert b"<title>app</title>" in page.content
        assert ("text/html; charset=utf-8", "no-cache") == (
            page.headers["content-type"],
            page.headers["cache-control"],
        )
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        for path, kind, kept in (
            ("main-ABCD1234.js", "text/javascript; charset=utf-8", True),
            ("styles-9f8e7d6c.css", "text/css; charset=utf-8", True),
            ("polyfills.js", "text/javascript; charset=utf-8", False),
            ("media/inter-latin.woff2", "font/woff2", False),
            ("favicon.svg", "image/svg+xml", False),
        ):
            response = await edge.client.get(f"/ui/{path}", headers=plain)
            assert (200, kind) == (response.status_code, response.headers["content-type"])
            assert kept == ("immutable" in response.headers["cache-control"])
            assert "nosniff" == response.headers["x-content-type-options"]
            again = await edge.client.get(
                f"/ui/{path}", headers=plain | {"If-None-Match": response.headers["etag"]}
            )
            assert (304, b"") == (again.status_code, again.content)


async def test_compressed_files_are_sent_to_those_who_take_them(
    world: World, open_edge_over: OpenEdge, app: Path
) -> None:
    """Brotli before gzip, each with an ETag of its own; `q=0` refuses."""
    async with open_edge_over(world, ui=app) as edge:
        etags: set[str] = set()
        for given, used in (
            ("gzip, br", "br"),
            ("gzip", "gzip"),
            ("br;q=0, gzip", "gzip"),
            ("identity", None),
            ("br;q=0, gzip;q=0", None),
        ):
            async with edge.client.stream(
                "GET", "/ui/main-ABCD1234.js", headers={"Accept-Encoding": given}
            ) as got:
                assert used == got.headers.get("content-encoding")
                assert "Accept-Encoding" == got.headers["vary"]
                etags.add(got.headers["etag"])
                body = b"".join([part async for part in got.aiter_raw()])
                assert {"br": b"brotli", "gzip": b"gzipped", None: b"let a = 1"}[used] == body
        assert 3 == len(etags)


async def test_the_apps_own_addresses_lead_to_its_page(
    world: World, open_edge_over: OpenEdge, app: Path
) -> None:
    """`/` leads there, deep links are the page, a missing file is missing, what lies outside is not sent."""
    async with open_edge_over(world, ui=app) as edge:
        for path in ("/", "/ui"):
            response = await edge.client.get(path)
            assert (307, "/ui/") == (response.status_code, response.headers["location"])
        for path in ("/ui/workflows", "/ui/workflows/w-1"):
            assert b"<title>app</title>" in (await edge.client.get(path)).content
        problem(await edge.client.get("/ui/gone-12345678.js"), 404, "not_found")
        for path in ("/ui/%2e%2e/%2e%2e/etc/passwd", "/ui/..%2f..%2fetc%2fpasswd"):
            assert b"root:" not in (await edge.client.get(path)).content


async def test_without_an_app_there_is_a_page_that_helps(edge: Edge) -> None:
    """It says what is missing, what works, and how to get the rest."""
    page = await edge.client.get("/ui/")
    assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert "/schema" in page.text
    problem(await edge.client.get("/ui/main.js"), 404, "app_not_built")
