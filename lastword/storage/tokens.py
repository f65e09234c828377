"""Bearer tokens in the database: made and revoked by `lastword auth`, read by every edge each second.

What is kept of a token is its SHA-256.  A token is 256 random bits, which nobody can guess from their digest;
the slow digests that passwords need would only make each request slow.  A revoked token stays as a row: it
tells who had it, and that tokens are in use here at all.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa
from msgspec import Struct

from lastword.storage.database import Database
from lastword.storage.exceptions import NameTaken, UnknownToken
from lastword.storage.tables import tokens

__all__ = ["StoredToken", "TokenRole", "TokenStore", "token_digest"]

TokenRole = Literal["viewer", "operator"]

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH: Final = 8


class StoredToken(Struct, frozen=True, kw_only=True):
    """A token, without what opens doors."""

    id: str
    """Its public part, by which it is listed, logged and revoked."""
    name: str
    """Who or what uses it; `started_by` of what is started with it."""
    role: TokenRole
    digest: str
    """SHA-256 of the whole token, in hexadecimal."""
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    last_used_at: datetime | None = None
    """To the minute."""

    def stands(self, now: datetime) -> bool:
        """Whether it opens doors."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class TokenStore:
    """The tokens. Every method may raise `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[StoredToken, ...]:
        """Return every token that was ever made, oldest first."""
        async with self._database.reading() as connection:
            rows = await connection.execute(sa.select(tokens).order_by(tokens.c.created_at, tokens.c.id))
            return tuple(_token(row) for row in rows.mappings())

    async def create(
        self, name: str, role: TokenRole, *, by: str, now: datetime, expires_at: datetime | None = None
    ) -> tuple[StoredToken, str]:
        """Make a token; return it with its secret text, which nobody can see again. Raises `NameTaken`."""
        token_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        text = f"lw_{token_id}_{secrets.token_urlsafe(32)}"
        made = StoredToken(
            id=token_id,
            name=name,
            role=role,
            digest=token_digest(text),
            created_at=now,
            created_by=by,
            expires_at=expires_at,
        )
        async with self._database.writing() as connection:
            rows = await connection.execute(sa.select(tokens).where(tokens.c.name == name))
            for other in (_token(row) for row in rows.mappings()):
                if other.stands(now):
                    raise NameTaken(name, other.id)
            await connection.execute(
                sa.insert(tokens), [{column: getattr(made, column) for column in made.__struct_fields__}]
            )
        return made, text

    async def revoke(self, named: str, *, by: str, now: datetime) -> StoredToken:
        """Revoke the token of that id, or the one in use of that name; raise `UnknownToken`."""
        async with self._database.writing() as connection:
            wanted = sa.or_(tokens.c.id == named, tokens.c.name == named)
            rows = await connection.execute(
                sa.select(tokens).where(wanted, tokens.c.revoked_at.is_(None)).with_for_update()
            )
            found = [_token(row) for row in rows.mappings()]
            chosen = [token for token in found if token.id == named] or [
                token for token in found if token.stands(now)
            ]
            if not chosen:
                raise UnknownToken(named)
            await connection.execute(
                sa.update(tokens).where(tokens.c.id == chosen[0].id).values(revoked_at=now, revoked_by=by)
            )
        return chosen[0]

    async def touch(self, used: Mapping[str, datetime]) -> None:
        """Remember when tokens were last used, by id."""
        if used:
            statement = (
                sa.update(tokens)
                .where(tokens.c.id == sa.bindparam("used_id"))
                .values(last_used_at=sa.bindparam("used_at"))
            )
            rows = [{"used_id": key, "used_at": used[key]} for key in sorted(used)]
            async with self._database.writing() as connection:
                await connection.execute(statement, rows)


def token_digest(text: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _token(row: Mapping[Any, Any]) -> StoredToken:
    return StoredToken(**{name: row[name] for name in StoredToken.__struct_fields__})
