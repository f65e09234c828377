"""Who asks, from what a request presents; and a limit for those who guess."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, Final

import structlog

from lastword.http.access import Access, Principal, Role
from lastword.http.limits import Buckets
from lastword.http.problems import refuse

__all__ = ["Identity"]

log = structlog.get_logger(__name__)

GUESSES: Final = 10  # wrong credentials of one address at once
GUESSES_PER_S: Final = 0.2
REMEMBERED: Final = 10_000  # credentials that were right before


class Identity:
    """Reads credentials.

    An address whose guesses are used up must wait before new credentials of its are looked at.  Those that
    were right before are let through all the same: behind a proxy everyone has one address, and a guesser
    must not lock the others out.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._guesses = Buckets(GUESSES_PER_S, GUESSES)
        self._right: dict[bytes, None] = {}

    def of(
        self, asked: Mapping[bytes, bytes], scope: Any, *, changes: bool
    ) -> tuple[Principal | None, Role | None]:
        """Return who asks and what they may do; no role where credentials are missing or wrong.

        Raises `too_many_attempts`, and `foreign_origin` where a cookie alone would change something.
        """
        if self._access.is_open:
            return None, Role.OPERATOR
        authorization, cookie = asked.get(b"authorization"), asked.get(b"cookie")
        if authorization is not None:
            kind, _, token = authorization.partition(b" ")
            if kind.lower() != b"bearer":
                return None, None
            principal = self.bearer(token.strip().decode("latin-1"), scope)
        elif cookie is not None:
            principal = self._access.session(cookie.decode("latin-1"))
            if changes and principal is not None and not _is_from_own_page(asked):
                raise refuse("foreign_origin", "A cookie is heeded only from this server's own pages.")
        else:
            return None, None
        return principal, principal.role if principal is not None else None

    def bearer(self, token: str, scope: Any) -> Principal | None:
        """Return whose token it is; raise `too_many_attempts`."""
        client = scope.get("client")
        address = client[0] if client else "unknown"
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        if mark not in self._right:
            wait_s = self._guesses.wait_s(address)
            if wait_s:
                raise refuse(
                    "too_many_attempts",
                    f"{address} has sent too many wrong tokens.",
                    retry_after_s=math.ceil(wait_s),
                )
        principal = self._access.bearer(token)
        if principal is None:
            self._right.pop(mark, None)
            if not self._access.recalls(token):  # who goes on with one that has ended guesses nothing
                self._guesses.take(address)
                log.warning("access.refused", address=address)
        elif mark not in self._right:
            if len(self._right) >= REMEMBERED:
                del self._right[next(iter(self._right))]
            self._right[mark] = None
        return principal


def _is_from_own_page(asked: Mapping[bytes, bytes]) -> bool:
    """Tell whether a browser says so. `Origin` was compared before; older ones leave it out."""
    return b"origin" in asked or asked.get(b"sec-fetch-site") == b"same-origin"
