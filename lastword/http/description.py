"""The endpoints that describe the others: a page for people, OpenAPI and AsyncAPI for programs.

The page needs neither scripts nor the internet.
"""

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from lastword.http.answers import NO_STORE, revalidated
from lastword.http.asyncapi import asyncapi_document
from lastword.http.openapi import openapi_document
from lastword.http.operation import Operation
from lastword.http.packets import encode
from lastword.http.schema_page import schema_page
from lastword.http.static import SECURITY

__all__ = ["DescriptionRoutes"]


class _Document(NamedTuple):
    body: bytes
    etag: str


class DescriptionRoutes:
    """Answers about the API; each document is made when it is first asked for."""

    def __init__(self, operations: Iterable[Operation], *, version: str) -> None:
        self._operations = tuple(operations)
        self._version = version

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        return [
            get("/schema", name="schemaPage")(self.page),
            get("/schema/openapi.json", name="openapiDocument")(self.openapi),
            get("/schema/asyncapi.json", name="asyncapiDocument")(self.asyncapi),
        ]

    async def page(self) -> Response[bytes]:
        """Return the description for people."""
        return Response(self._page, media_type="text/html", headers={**SECURITY, **NO_STORE})

    async def openapi(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return what can be asked by HTTP."""
        return revalidated(request, self._openapi.body, self._openapi.etag)

    async def asyncapi(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return what travels on the live streams and on NATS."""
        return revalidated(request, self._asyncapi.body, self._asyncapi.etag)

    @cached_property
    def _openapi(self) -> _Document:
        return _write(openapi_document(self._operations, version=self._version))

    @cached_property
    def _asyncapi(self) -> _Document:
        return _write(asyncapi_document(version=self._version))

    @cached_property
    def _page(self) -> bytes:
        return schema_page(msgspec.json.decode(self._openapi.body)).encode()


def _write(described: dict[str, Any]) -> _Document:
    body = encode(described)
    return _Document(body, f'W/"{hashlib.blake2b(body, digest_size=9).hexdigest()}"')
