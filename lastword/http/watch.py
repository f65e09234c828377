"""Watching the tokens: what `lastword auth` does takes effect on every edge within a second or so.

Each edge reads the small table again each second.  A notice over NATS would be a little faster, and needs
somebody who never misses one; a table that is read again cannot be missed.  While the database is away, the
tokens that are known go on being known, and those that expire do so all the same.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from lastword.http.access import Access, KnownToken
from lastword.storage import DatabaseUnavailable

__all__ = ["TokenWatch", "Tokens"]

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
WRITE_EVERY_S: Final = 60.0  # between two notes of when a token was last used
CLOSE_UNAUTHENTICATED: Final = 4001


class Tokens(Protocol):
    """The tokens in the database."""

    async def all(self) -> Sequence[KnownToken]:
        """Return every token that was ever made; raise `DatabaseUnavailable`."""
        ...

    async def touch(self, used: Mapping[str, datetime]) -> None:
        """Remember when tokens were last used; raise `DatabaseUnavailable`."""
        ...


class TokenWatch:
    """Keeps an edge's knowledge of tokens up to date."""

    def __init__(self, access: Access, tokens: Tokens) -> None:
        self._access = access
        self._tokens = tokens
        self._is_away = False
        self._written: dict[str, float] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Read the tokens again, and end the streams of those who may no longer look."""
        try:
            self._access.learn(await self._tokens.all())
            await self._write()
        except DatabaseUnavailable as error:
            if not self._is_away:
                log.warning("tokens.unavailable", error=str(error))
            self._is_away = True
        else:
            self._is_away = False
        ended = self._access.turn_out(CLOSE_UNAUTHENTICATED, "unauthenticated")
        if ended:
            log.info("edge.streams_ended", streams=ended, why="token revoked or expired")

    async def _write(self) -> None:
        """Write down when tokens were last used, each once a minute at most."""
        due = {
            key: at
            for key, at in self._access.used.items()
            if at - self._written.get(key, 0.0) >= WRITE_EVERY_S and not key.startswith("settings-")
        }
        if due:
            await self._tokens.touch({key: datetime.fromtimestamp(at, UTC) for key, at in due.items()})
            self._written.update(due)
