"""Who is let in, by which credentials, and until when."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lastword.http.access import COOKIE, Access, InsecureBind, Principal, Role, check_bind
from lastword.http.identity import GUESSES, Identity
from lastword.http.limits import Buckets
from lastword.http.problems import Refusal
from lastword.http.settings import HttpSettings
from lastword.http.watch import TokenWatch
from lastword.storage import DatabaseUnavailable, StoredToken, token_digest

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = "lw_abcd1234_" + "s" * 43
OTHER = "lw_efgh5678_" + "s" * 43


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = START.timestamp()

    def __call__(self) -> float:
        """Return the time, in seconds since 1970."""
        return self.at


def stored(text: str = TEXT, **given: Any) -> StoredToken:
    """Return the row of a token."""
    fields: dict[str, Any] = {
        "id": text.split("_")[1],
        "name": "ci",
        "role": "operator",
        "digest": token_digest(text),
        "created_at": START,
        "created_by": "anna",
    }
    return StoredToken(**(fields | given))


def holder(access: Access, token: str) -> Principal:
    """Return whose token it is."""
    principal = access.bearer(token)
    assert principal is not None
    return principal


def cookie_value(access: Access, principal: Principal) -> str:
    """Return the cookie that a browser would send back."""
    return access.cookie_for(principal, is_secure=False).partition(";")[0]


class Tokens:
    """A table of tokens."""

    def __init__(self, *rows: StoredToken) -> None:
        self.rows = rows
        self.touched: list[dict[str, datetime]] = []
        self.is_away = False

    async def all(self) -> tuple[StoredToken, ...]:
        """Return the rows."""
        if self.is_away:
            raise DatabaseUnavailable("the database", "away")
        return self.rows

    async def touch(self, used: Any) -> None:
        """Remember."""
        self.touched.append(dict(used))


class Ended:
    """A stream that says how it was ended."""

    def __init__(self) -> None:
        self.code = 0

    def finish(self, code: int, reason: str = "") -> None:
        """End."""
        self.code = code


def test_a_laptop_is_open_until_a_token_is_made() -> None:
    """And stays closed when the last one is revoked; beyond loopback nothing is ever open."""
    access = Access(HttpSettings())
    told = [access.is_open]
    for rows in ([], [stored()], [stored(revoked_at=START)]):
        access.learn(rows)
        told.append(access.is_open)
    assert [True, True, False, False] == told
    assert not Access(HttpSettings(host="192.0.2.1")).is_open
    assert not Access(HttpSettings(token="t")).is_open


def test_beyond_loopback_some_token_must_have_been_made() -> None:
    """One of the settings, or one of the database."""
    with pytest.raises(InsecureBind, match="lastword auth create"):
        check_bind(HttpSettings(host="192.0.2.1"))
    check_bind(HttpSettings(host="192.0.2.1"), has_tokens=True)
    check_bind(HttpSettings(host="192.0.2.1", token="t"))


def test_a_token_opens_what_its_role_allows_while_it_stands() -> None:
    """Not a moment after it has expired or was revoked, nor with a letter changed."""
    clock = Clock()
    access = Access(HttpSettings(token="boot", viewer_token="look"), now=clock)
    access.learn([stored(expires_at=START + timedelta(seconds=10)), stored(OTHER, name="eve", role="viewer")])
    assert ("ci", Role.OPERATOR) == (holder(access, TEXT).name, holder(access, TEXT).role)
    assert Role.VIEWER is holder(access, OTHER).role
    assert Role.OPERATOR is holder(access, "boot").role
    assert Role.VIEWER is holder(access, "look").role
    changed = (TEXT + "x", TEXT[:-1] + "t", f"lw_abcd1234_{OTHER}", "BOOT")
    for wrong in ("", "lw_", "lw__", "lw_nobody00_x", *changed):
        assert access.bearer(wrong) is None
    clock.at += 10
    assert access.bearer(TEXT) is None
    access.learn([stored(), stored(OTHER, revoked_at=START)])
    assert access.bearer(OTHER) is None


def test_a_session_is_signed_and_ends_with_its_token_or_before() -> None:
    """A changed letter, another token's signature, an old date: nothing."""
    clock = Clock()
    access = Access(HttpSettings(session_s=100), now=clock)
    access.learn([stored()])
    principal = holder(access, TEXT)
    cookie = cookie_value(access, principal)
    assert TEXT[12:] not in cookie
    session = access.session(cookie)
    assert session is not None
    assert (principal.token, START.timestamp() + 100) == (session.token, session.expires_at)
    name, ends_at, nonce, signature = cookie.removeprefix(f"{COOKIE}=").split(".")
    later = str(int(ends_at) + 1)
    for forged in (
        f"{name}.{later}.{nonce}.{signature}",
        f"{name}.{ends_at}.{nonce}.{'0' * 64}",
        f"efgh5678.{ends_at}.{nonce}.{signature}",
        f"{name}.{ends_at}.{nonce}",
        f"{name}.x.{nonce}.{signature}",
        f"{name}.{ends_at}.{nonce}.é",
        "",
        base64.b64encode(TEXT.encode()).decode(),
    ):
        assert access.session(f"{COOKIE}={forged}") is None
    access.learn([stored(revoked_at=START)])
    assert access.session(cookie) is None
    access.learn([stored()])
    clock.at += 100
    assert access.session(cookie) is None


def test_a_session_outlives_no_token() -> None:
    """The cookie's own age is cut as well, and over TLS it stays there."""
    access = Access(HttpSettings(), now=Clock())
    access.learn([stored(expires_at=START + timedelta(seconds=60))])
    principal = holder(access, TEXT)
    header = access.cookie_for(principal, is_secure=True)
    assert header.endswith("; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure")


async def test_streams_end_with_what_let_them_in() -> None:
    """Revoked, expired, or opened while everything was open: ended at the next look, the others not."""
    clock, tokens = Clock(), Tokens()
    access = Access(HttpSettings(), now=clock)
    watch = TokenWatch(access, tokens)
    anonymous, revoked, expired, standing = Ended(), Ended(), Ended(), Ended()
    with access.showing(None, anonymous):
        await watch.look()
        assert 0 == anonymous.code
        until = START + timedelta(seconds=5)
        tokens.rows = (stored(), stored(OTHER, name="eve", expires_at=until))
        await watch.look()
        assert 4001 == anonymous.code
        ci, eve = holder(access, TEXT), holder(access, OTHER)
        with (
            access.showing(ci, revoked),
            access.showing(eve, expired),
            access.showing(ci._replace(token="efgh5678", expires_at=None), standing),
        ):
            tokens.rows = (stored(revoked_at=START), tokens.rows[1])
            await watch.look()
            assert (4001, 0, 0) == (revoked.code, expired.code, standing.code)
            clock.at += 5
            tokens.is_away = True  # what expires needs no database
            await watch.look()
            assert 4001 == expired.code


async def test_the_last_use_is_written_once_a_minute() -> None:
    """However often a token is used; those of the settings have no row."""
    clock, tokens = Clock(), Tokens(stored())
    access = Access(HttpSettings(token="boot"), now=clock)
    watch = TokenWatch(access, tokens)
    for _ in range(100):
        await watch.look()
        access.bearer(TEXT)
        access.bearer("boot")
        clock.at += 1
    assert [{"abcd1234"}, {"abcd1234"}] == [set(one) for one in tokens.touched]


def test_guessing_is_slowed_and_locks_nobody_out() -> None:
    """Whoever was right before is let through; another address is not concerned."""
    access = Access(HttpSettings(token="right"))
    identity = Identity(access)
    here, there = {"client": ("192.0.2.1", 1)}, {"client": ("192.0.2.2", 1)}
    assert identity.bearer("right", here) is not None
    access.learn([stored(revoked_at=START)])
    for number in range(GUESSES):
        assert identity.bearer(TEXT, here) is None  # it has ended, and is no guess
        assert identity.bearer(f"wrong {number}", here) is None
    with pytest.raises(Refusal) as refused:
        identity.bearer("wrong", here)
    assert (429, "too_many_attempts") == (refused.value.body.status, refused.value.body.code)
    assert (refused.value.body.retry_after_s or 0) > 0
    assert identity.bearer("right", here) is not None
    assert identity.bearer("wrong", there) is None


def test_buckets_fill_again_and_are_bounded() -> None:
    """So much at once, then so much a second; the oldest keys are forgotten."""
    clock = Clock()
    buckets = Buckets(2.0, 3.0, now=clock, most=2)
    assert [0.0, 0.0, 0.0, 0.5] == [buckets.take("a") for _ in range(4)]
    clock.at += 0.5
    assert [0.0, 0.5] == [buckets.take("a") for _ in range(2)]
    assert 0.5 == buckets.wait_s("a")
    buckets.take("b")
    buckets.take("c")
    assert 0.0 == buckets.wait_s("a")
