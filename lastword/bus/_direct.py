"""Batched direct gets: many stored messages for one request.

Each message names the one before it, and the end mark the last, so a batch that lost some on its way (the
connection broke, and came back before its end) is seen to be incomplete, instead of being taken for all
there is: a database that is rebuilt from the log must not skip a record in silence.
"""

from typing import Any

import msgspec
from nats.aio.msg import Msg

from lastword.bus._cancel import heeding
from lastword.bus.connection import TRANSIENT, Bus
from lastword.bus.exceptions import Unavailable

__all__ = ["read_batch"]


async def read_batch(bus: Bus, stream: str, request: dict[str, Any]) -> list[Msg]:
    """Return the messages that `request` asks of `stream`, in order; raise `Unavailable`.

    `request` is that of `$JS.API.DIRECT.GET.<stream>` with a `batch` (ADR-31).
    """
    client = bus.client
    inbox = client.new_inbox()
    found: list[Msg] = []
    last = "0"
    try:
        subscription = await client.subscribe(inbox)
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(request), reply=inbox)
            while True:
                message = await heeding(subscription.next_msg(timeout=bus.settings.request_timeout_s))
                headers = message.headers or {}
                status = headers.get("Status")
                if status == "404":  # no message found
                    return found
                if status not in {None, "204"}:
                    raise Unavailable(f"stream {stream}", f"{status} {headers.get('Description', '')}")
                if last != headers["Nats-Last-Sequence"]:
                    raise Unavailable(f"stream {stream}", "some messages were lost on their way")
                if status == "204":  # the end of the batch
                    return found
                last = headers["Nats-Sequence"]
                found.append(message)
        finally:
            await subscription.unsubscribe()
    except TRANSIENT as error:
        raise Unavailable(f"stream {stream}", type(error).__name__) from error
