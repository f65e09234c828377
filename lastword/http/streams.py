"""What all live streams share, whatever wire they go over and whatever they show.

Each opens with `hello`.  What a client missed since the place that it names follows where that can be told
(`recovered`), else the present state does.  Reading may wait; from the last read until the channel is watched
nothing does, so no record can fall between.
"""

from collections.abc import Iterable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from lastword.contracts.frames import Hello, Rejected
from lastword.contracts.statuses import Status
from lastword.http.channels import Channel
from lastword.http.hub import COMMENT, Hub
from lastword.http.packets import Burst, Packet, encode
from lastword.http.reader import Reader, Since

__all__ = ["PRELUDE", "BaseStream", "ClientMessage", "Select", "Stream", "Subscribe", "Unsubscribe"]

BAD_MESSAGES: Final = 20  # after which a client is closed with 1008
PRELUDE: Final = b"retry: 2000\n" + COMMENT


class Subscribe(Struct, frozen=True, tag_field="type", tag="subscribe", forbid_unknown_fields=True):
    """Show these workflows as well."""

    ids: tuple[str, ...]


class Unsubscribe(Struct, frozen=True, tag_field="type", tag="unsubscribe", forbid_unknown_fields=True):
    """Show these workflows no longer."""

    ids: tuple[str, ...]


class Select(Struct, frozen=True, tag_field="type", tag="filter", forbid_unknown_fields=True):
    """Show what this filter shows, in place of the one before."""

    status: tuple[Status, ...] = ()
    definition: str | None = None
    q: str | None = None
    executor: str | None = None
    retry_of: str | None = None


class Knock(Struct, frozen=True, tag_field="type", tag="ping", forbid_unknown_fields=True):
    """Are you there? Answered with a `ping`."""


ClientMessage = Subscribe | Unsubscribe | Select | Knock
_messages = msgspec.json.Decoder(ClientMessage)


class Stream(Protocol):
    """What a wire carries."""

    @property
    def epoch(self) -> str:
        """The log that it was asked for in."""
        ...

    async def prepare(self) -> bool:
        """Raise a refusal, or return whether anything will follow (if not, SSE answers 204)."""
        ...

    async def open(self, channel: Channel) -> None:
        """Say hello and how things stand, and watch."""
        ...

    async def hear(self, text: str | bytes) -> None:
        """Follow a message of the client's."""
        ...

    def close(self) -> None:
        """Stop watching."""
        ...


class BaseStream:
    """What all streams share."""

    def __init__(self, hub: Hub, reader: Reader, since: Since | None) -> None:
        self._hub = hub
        self._reader = reader
        self._since = since
        self.epoch = hub.epoch
        """The log that it was asked for in."""
        self._channel: Channel | None = None
        self._bad = 0

    def hello(self, *, recovered: bool) -> Packet:
        """Return the first frame."""
        hub = self._hub
        frame = Hello(epoch=hub.epoch, position=hub.position, recovered=recovered, ping_s=hub.ping_s)
        return Packet("hello", encode(frame))

    async def hear(self, text: str | bytes) -> None:
        """Follow a message of the client's, or say why not."""
        channel = self._channel
        if channel is None or channel.closing:
            return
        try:
            message = _messages.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._bad += 1
            if self._bad >= BAD_MESSAGES:
                channel.finish(1008, "too many messages that cannot be read")
                return
            await self.reject("malformed_message", str(error)[:500])
            return
        if isinstance(message, Knock):
            await channel.tell(Burst((self._hub.ping(),)))
        else:
            await self.follow(channel, message)

    async def follow(
        self,
        channel: Channel,  # noqa: ARG002  for those that do follow
        message: Subscribe | Unsubscribe | Select,
    ) -> None:
        """Refuse a message that would change what is shown, as most streams do."""
        kind = str(message.__struct_config__.tag)
        await self.reject(
            "wrong_mode", f"`{kind}` has no meaning here: this stream shows what its address names."
        )

    async def reject(self, code: str, detail: str, ids: Iterable[str] = ()) -> None:
        """Say that a message was not followed; the stream goes on."""
        if self._channel is not None:
            frame = Rejected(code=code, detail=detail, ids=tuple(ids))
            await self._channel.tell(Burst((Packet("problem", encode(frame)),)))
