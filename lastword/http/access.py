"""Who may do what: bearer tokens for programs, a cookie of the same token's making for browsers.

Tokens are kept as digests only.  Without any token everyone on this host is an operator, which is why the
edge then refuses to listen beyond loopback.
"""

import hashlib
import hmac
import ipaddress
from enum import Enum
from http.cookies import CookieError, SimpleCookie
from typing import Final

from lastword.http.settings import HttpSettings

__all__ = ["COOKIE", "Access", "InsecureBind", "Role", "check_bind", "is_loopback"]

COOKIE: Final = "lastword_session"
_SCOPE: Final = b"lastword session 1"  # names what the cookie's digest is for


class Role(Enum):
    """What a caller may do."""

    VIEWER = "viewer"
    """Look."""
    OPERATOR = "operator"
    """Look, start, cancel, retry, reconcile."""


class InsecureBind(Exception):
    """The edge was told to listen beyond loopback without a token."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"http.host is {host!r}, which others can reach, and no token is set. "
            "Set LASTWORD_HTTP__TOKEN to a long random secret, or listen on 127.0.0.1"
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


def check_bind(settings: HttpSettings) -> None:
    """Raise `InsecureBind` where strangers could command."""
    if not is_loopback(settings.host) and not settings.token:
        raise InsecureBind(settings.host)


class Access:
    """Tells roles from credentials."""

    def __init__(self, settings: HttpSettings) -> None:
        given = ((settings.token, Role.OPERATOR), (settings.viewer_token, Role.VIEWER))
        self._roles = {_digest(token): role for token, role in given if token}

    @property
    def is_open(self) -> bool:
        """Whether nobody needs credentials."""
        return not self._roles

    def role(self, authorization: bytes | None, cookie: bytes | None) -> Role | None:
        """Return the caller's role; None where credentials are missing or wrong."""
        if not self._roles:
            return Role.OPERATOR
        if authorization is not None:
            kind, _, token = authorization.partition(b" ")
            if kind.lower() != b"bearer":
                return None
            return self.role_of(token.strip().decode("latin-1"))
        if cookie is not None:
            return self._role_of_cookie(cookie.decode("latin-1"))
        return None

    def role_of(self, token: str) -> Role | None:
        """Return the role that a token stands for."""
        return self._look_up(_digest(token))

    def cookie_for(self, token: str) -> str:
        """Return the cookie's value for a token.

        Every edge with the same tokens knows it, and it is not the token.
        """
        return _cookie_value(_digest(token))

    def _role_of_cookie(self, text: str) -> Role | None:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(text)
        except CookieError:
            return None
        morsel = jar.get(COOKIE)
        if morsel is None:
            return None
        for digest, role in self._roles.items():
            if hmac.compare_digest(_cookie_value(digest).encode(), morsel.value.encode()):
                return role
        return None

    def _look_up(self, digest: bytes) -> Role | None:
        found = None
        for known, role in self._roles.items():  # all of them, in the same time whichever it is
            if hmac.compare_digest(known, digest):
                found = role
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _cookie_value(digest: bytes) -> str:
    return hmac.new(digest, _SCOPE, hashlib.sha256).hexdigest()
