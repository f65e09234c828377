"""Bearer tokens at rest: made once, never readable again, revoked for good."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lastword.storage import NameTaken, TokenStore, UnknownToken, open_database, token_digest
from lastword.storage.settings import StorageSettings
from tests.integration.storage.conftest import Make

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_a_token_is_kept_as_its_digest(make_url: Make, tmp_path: Path) -> None:
    """What is stored opens nothing, and names who made it."""
    async with open_database(StorageSettings(url=make_url()), tmp_path) as database:
        store = TokenStore(database)
        until = NOW + timedelta(days=30)
        made, text = await store.create("ci", "operator", by="anna", now=NOW, expires_at=until)
        (kept,) = await store.all()
    assert made == kept
    assert token_digest(text) == kept.digest
    assert text.startswith(f"lw_{kept.id}_")
    assert text.rpartition("_")[2] not in str(kept)
    assert ("ci", "operator", "anna", until) == (kept.name, kept.role, kept.created_by, kept.expires_at)
    assert kept.stands(until - timedelta(seconds=1))
    assert not kept.stands(until)


async def test_a_name_is_used_by_one_token_at_a_time(make_url: Make, tmp_path: Path) -> None:
    """The name stands in records: it must mean one holder. A revoked or expired one is free again."""
    async with open_database(StorageSettings(url=make_url()), tmp_path) as database:
        store = TokenStore(database)
        first, _ = await store.create("ci", "viewer", by="anna", now=NOW)
        with pytest.raises(NameTaken, match=first.id):
            await store.create("ci", "viewer", by="anna", now=NOW)
        assert first.id == (await store.revoke("ci", by="ben", now=NOW)).id
        later = NOW + timedelta(days=1)
        second, _ = await store.create("ci", "viewer", by="anna", now=NOW, expires_at=later)
        third, _ = await store.create("ci", "viewer", by="anna", now=later)
        assert 3 == len({first.id, second.id, third.id})
        assert third.id == (await store.revoke("ci", by="ben", now=later)).id


async def test_a_revoked_token_stays_as_a_row(make_url: Make, tmp_path: Path) -> None:
    """It tells who had it, and who took it away; once is enough."""
    async with open_database(StorageSettings(url=make_url()), tmp_path) as database:
        store = TokenStore(database)
        made, _ = await store.create("ci", "operator", by="anna", now=NOW)
        await store.revoke(made.id, by="ben", now=NOW)
        for named in (made.id, "ci", "nobody"):
            with pytest.raises(UnknownToken):
                await store.revoke(named, by="ben", now=NOW)
        (kept,) = await store.all()
    assert (NOW, "ben") == (kept.revoked_at, kept.revoked_by)
    assert not kept.stands(NOW)


async def test_the_last_use_is_remembered(make_url: Make, tmp_path: Path) -> None:
    """Of several tokens in one statement; of unknown ones nothing."""
    async with open_database(StorageSettings(url=make_url()), tmp_path) as database:
        store = TokenStore(database)
        one, _ = await store.create("one", "viewer", by="anna", now=NOW)
        await store.create("other", "viewer", by="anna", now=NOW)
        await store.touch({})
        await store.touch({one.id: NOW, "unknown": NOW})
        assert {"one": NOW, "other": None} == {kept.name: kept.last_used_at for kept in await store.all()}
