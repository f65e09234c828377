"""What the edge tells of one workflow over a WebSocket or server-sent events, frame by frame.

For whoever wants to know what a client is told, and when; to follow a workflow to its end see `watching`.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Literal
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from lastword.cli.client import CONNECT_S, EdgeClient
from lastword.cli.edge import Address
from lastword.cli.errors import Unreachable
from lastword.cli.sse import EventParser
from lastword.contracts.views import Workflow

__all__ = ["Told", "listen"]


class Told(Struct, frozen=True, kw_only=True):
    """One frame; see `docs/reference/http.md` for the types."""

    type: str
    workflow: Workflow | None = None


async def listen(client: EdgeClient, workflow_id: str, wire: str) -> AsyncGenerator[Told, None]:
    """Yield what is told until the edge closes; raise `Unreachable` where the link fails, and `Refused`."""
    texts = _ws(client.address, workflow_id) if wire == "ws" else _sse(client, workflow_id)
    decoder = msgspec.json.Decoder(Told)
    async with aclosing(texts):
        async for text in texts:
            try:
                yield decoder.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise _unreachable(client.address, f"a frame that cannot be read ({error})") from error


async def _ws(address: Address, workflow_id: str) -> AsyncGenerator[str | bytes, None]:
    url = f"{address.url.replace('http', 'ws', 1)}/ws/workflows/{quote(workflow_id, safe='')}"
    headers = {} if address.token is None else {"authorization": f"Bearer {address.token}"}
    # A proxy cannot reach our own loopback, whatever the environment says.
    proxy: Literal[True] | None = (
        None if urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"} else True
    )
    try:
        async with connect(
            url, additional_headers=headers, proxy=proxy, open_timeout=CONNECT_S, max_size=None
        ) as socket:
            async for text in socket:
                yield text
    except (OSError, TimeoutError, WebSocketException, ConnectionClosed) as error:
        raise _unreachable(address, str(error) or type(error).__name__) from error


async def _sse(client: EdgeClient, workflow_id: str) -> AsyncGenerator[str | bytes, None]:
    parser = EventParser()
    async with client.events(workflow_id, None) as answer:
        chunks: AsyncIterator[bytes] = answer.aiter_bytes()
        async for chunk in chunks:
            for event in parser.feed(chunk):
                yield event.data


def _unreachable(address: Address, reason: str) -> Unreachable:
    return Unreachable(address.shown, address.source, reason)
