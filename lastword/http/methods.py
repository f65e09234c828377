"""Which methods an address offers: what OPTIONS answers, and `Allow` with a 405.

Litestar's own OPTIONS knows only the first handler of an address, and neither knows that the gate asks every
GET but a stream's for HEAD as well.
"""

from collections.abc import Iterable
from typing import Final

from litestar import Response
from litestar.enums import HttpMethod
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler

__all__ = ["STREAMS", "allow", "options_handlers"]

STREAMS: Final = ("/ws/", "/events/")
"""Where addresses of live streams begin."""


def allow(methods: Iterable[str], path: str) -> str:
    """Return the value of `Allow` for a path that has handlers for `methods`.

    >>> allow(["GET", "POST"], "/workflows"), allow(["GET"], "/events/workflows")
    ('GET, HEAD, OPTIONS, POST', 'GET, OPTIONS')
    """
    offered = {*methods, "OPTIONS"}
    if "GET" in offered and not path.startswith(STREAMS):
        offered.add("HEAD")
    return ", ".join(sorted(offered))


def options_handlers(routes: Iterable[HTTPRouteHandler | ASGIRouteHandler]) -> list[HTTPRouteHandler]:
    """Return a handler of OPTIONS for each path of `routes`."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, HTTPRouteHandler):
            for path in route.paths:
                methods.setdefault(path, set()).update(map(str, route.http_methods))
    return [_answering(path, allow(offered, path)) for path, offered in methods.items()]


def _answering(path: str, allowed: str) -> HTTPRouteHandler:
    async def options() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": allowed, "cache-control": "no-store"})

    return HTTPRouteHandler(path, http_method=HttpMethod.OPTIONS, status_code=204)(options)
