"""Who may do what: bearer tokens for programs, a signed cookie for browsers.

Tokens come from the settings (one a role, to begin with) and from the database (`lastword auth`), which
`watch` reads again each second; either way only their digests are kept here.  The cookie names the token that
bought it, tells when it ends, and is signed with that token's digest: every edge can check it, nobody stores
it, and it ends with its token.

An edge is *open*, so that everyone is an operator, only while it listens on loopback and no token was ever
made: a laptop's.  One that was revoked counts as made, or revoking the last one would open every door.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, NamedTuple, Protocol

from lastword.http.settings import HttpSettings

__all__ = [
    "COOKIE",
    "PRINCIPAL",
    "Access",
    "InsecureBind",
    "KnownToken",
    "Principal",
    "Role",
    "check_bind",
    "is_loopback",
    "principal_of",
]

COOKIE: Final = "lastword_session"
PRINCIPAL: Final = "lastword.principal"
"""The key in a scope of whoever asks; None or missing where nobody needs credentials."""
_SCOPE: Final = "lastword session 2"  # names what the cookie's signature is for


class Role(Enum):
    """What a caller may do."""

    VIEWER = "viewer"
    """Look."""
    OPERATOR = "operator"
    """Look, start, cancel, retry, reconcile."""


class Principal(NamedTuple):
    """Who asks."""

    token: str
    """The token's id, never the token."""
    name: str
    role: Role
    expires_at: float | None = None
    """Seconds since 1970, from which on the credentials are worth nothing."""


class KnownToken(Protocol):
    """A token as the database has it."""

    @property
    def id(self) -> str:
        """Its public part."""
        ...

    @property
    def name(self) -> str:
        """Who or what uses it."""
        ...

    @property
    def role(self) -> str:
        """`viewer` or `operator`."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the whole token, in hexadecimal."""
        ...

    @property
    def expires_at(self) -> datetime | None:
        """When it ends by itself."""
        ...

    @property
    def revoked_at(self) -> datetime | None:
        """When it was revoked."""
        ...


class Stream(Protocol):
    """An open live stream."""

    def finish(self, code: int, reason: str = "") -> None:
        """End it."""
        ...


class Showing:
    """A stream that is open for somebody. A class, since a generator's frame for each costs more."""

    __slots__ = ("_all", "_principal", "_stream")

    def __init__(
        self, everyone: dict[Principal | None, set[Stream]], principal: Principal | None, stream: Stream
    ) -> None:
        self._all = everyone
        self._principal = principal
        self._stream = stream

    def __enter__(self) -> None:
        self._all.setdefault(self._principal, set()).add(self._stream)

    def __exit__(self, *_: object) -> None:
        streams = self._all.get(self._principal, set())
        streams.discard(self._stream)
        if not streams:
            self._all.pop(self._principal, None)


class InsecureBind(Exception):
    """The edge was told to listen beyond loopback without a token."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"http.host is {host!r}, which others can reach, and no token is set. "
            "Set LASTWORD_HTTP__TOKEN to a long random secret, make a token with `lastword auth create`, "
            "or listen on 127.0.0.1"
        )
        self.host = host


def is_loopback(host: str) -> bool:
    """Tell whether only this host can reach an address.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_bind(settings: HttpSettings, *, has_tokens: bool = False) -> None:
    """Raise `InsecureBind` where strangers could command; `has_tokens` says that some were ever made."""
    if not (is_loopback(settings.host) or settings.token or has_tokens):
        raise InsecureBind(settings.host)


def principal_of(scope: Any) -> Principal | None:
    """Return who asks; None where nobody needs credentials."""
    principal: Principal | None = scope.get(PRINCIPAL)
    return principal


class _Known(NamedTuple):
    """A token that may be presented, and whether it still opens anything."""

    principal: Principal
    digest: bytes
    is_revoked: bool = False


class Access:
    """Tells who asks from credentials, and ends the streams of those who may no longer look."""

    def __init__(
        self, settings: HttpSettings, *, now: Callable[[], float] = lambda: datetime.now(UTC).timestamp()
    ) -> None:
        """`now` is the wall clock, in seconds since 1970: tokens end by dates."""
        given = ((settings.token, Role.OPERATOR), (settings.viewer_token, Role.VIEWER))
        self._own = {
            f"settings-{role.value}": _Known(
                Principal(f"settings-{role.value}", role.value, role), _digest(token)
            )
            for token, role in given
            if token
        }
        self._known = dict(self._own)
        self._is_local = is_loopback(settings.host)
        self._session_s = settings.session_s
        self._now = now
        self._streams: dict[Principal | None, set[Stream]] = {}
        self.used: dict[str, float] = {}
        """When each token was last used, by id; for whoever writes it down."""

    @property
    def is_open(self) -> bool:
        """Whether nobody needs credentials."""
        return self._is_local and not self._known

    @property
    def has_tokens(self) -> bool:
        """Whether a token was ever made, in use or not."""
        return bool(self._known)

    def learn(self, tokens: Iterable[KnownToken]) -> None:
        """Take in what the database says, in place of what it said before."""
        known = dict(self._own)
        for token in tokens:
            expires_at = token.expires_at.timestamp() if token.expires_at is not None else None
            principal = Principal(token.id, token.name, Role(token.role), expires_at)
            known[token.id] = _Known(principal, bytes.fromhex(token.digest), token.revoked_at is not None)
        self._known = known

    def bearer(self, token: str) -> Principal | None:
        """Return whose token it is, while it is worth something."""
        return self._standing(self._find(token))

    def recalls(self, token: str) -> bool:
        """Tell whether it is a token, or was one before it ended: nobody has guessed it."""
        return self._find(token) is not None

    def _find(self, token: str) -> _Known | None:
        digest = _digest(token)
        parts = token.split("_", 2)
        candidates: Sequence[_Known] = tuple(self._own.values())
        if len(parts) == 3 and parts[0] == "lw" and parts[1] in self._known:
            candidates = (*candidates, self._known[parts[1]])
        found = None
        for known in candidates:  # all of them, in the same time whichever it is
            if hmac.compare_digest(known.digest, digest):
                found = known
        return found

    def session(self, cookie: str) -> Principal | None:
        """Return whose session a `Cookie` header names, while it and its token are worth something."""
        parts = _session_value(cookie).split(".")
        if len(parts) != 4 or not parts[1].isdecimal() or parts[0] not in self._known:
            return None
        known = self._known[parts[0]]
        signature = _signature(known.digest, ".".join(parts[:3]))
        if not hmac.compare_digest(signature.encode(), parts[3].encode("utf-8", "replace")):
            return None
        principal = self._standing(known)
        ends_at = float(parts[1])
        if principal is None or ends_at <= self._now():
            return None
        token_ends_at = principal.expires_at
        return principal._replace(
            expires_at=ends_at if token_ends_at is None else min(ends_at, token_ends_at)
        )

    def cookie_for(self, principal: Principal, *, is_secure: bool) -> str:
        """Return what `Set-Cookie` says to whoever has presented a token."""
        ends_at = self._now() + self._session_s
        if principal.expires_at is not None:
            ends_at = min(ends_at, principal.expires_at)
        signed = f"{principal.token}.{int(ends_at)}.{secrets.token_hex(8)}"
        value = f"{signed}.{_signature(self._known[principal.token].digest, signed)}"
        secure = "; Secure" if is_secure else ""
        age_s = max(0, int(ends_at - self._now()))
        return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}"

    def stands(self, principal: Principal | None) -> bool:
        """Tell whether one who was let in before would be let in now."""
        if principal is None:
            return self.is_open
        if principal.expires_at is not None and principal.expires_at <= self._now():
            return False
        return self._standing(self._known.get(principal.token)) is not None

    def showing(self, principal: Principal | None, stream: Stream) -> "Showing":
        """Return what holds a stream open, by `with`, for one who was let in; `turn_out` may end it."""
        return Showing(self._streams, principal, stream)

    def turn_out(self, code: int, reason: str) -> int:
        """End the streams of those who may no longer look; return how many there were."""
        gone = [principal for principal in self._streams if not self.stands(principal)]
        streams = [stream for principal in gone for stream in self._streams[principal]]
        for stream in streams:
            stream.finish(code, reason)
        return len(streams)

    def _standing(self, known: _Known | None) -> Principal | None:
        if known is None or known.is_revoked:
            return None
        principal, now = known.principal, self._now()
        if principal.expires_at is not None and principal.expires_at <= now:
            return None
        self.used[principal.token] = now
        return principal


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _signature(digest: bytes, signed: str) -> str:
    return hmac.new(digest, f"{_SCOPE} {signed}".encode(), hashlib.sha256).hexdigest()


def _session_value(text: str) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(text)
    except CookieError:
        return ""
    morsel = jar.get(COOKIE)
    return "" if morsel is None else morsel.value
