"""The users of a NATS server, and what each may do: generated from `contracts.permissions`, never written.

The embedded server's users have passwords, kept in the data folder.  A server of your own gets nkeys: the
seeds lie in files, one a user, and the server's configuration holds the public halves alone, so that reading
it lets nobody in.
"""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import nkeys
from msgspec import Struct

from lastword.bus.exceptions import BadLogin, ServerFailed
from lastword.contracts.permissions import User, grant

__all__ = [
    "CONFIGURATION",
    "Credentials",
    "Login",
    "read_credentials",
    "render_accounts",
    "write_nkeys",
    "write_private",
]

ACCOUNT: Final = "LASTWORD"
SYSTEM_ACCOUNT: Final = "SYS"
CONFIGURATION: Final = "lastword-users.conf"
"""The file that a server's own configuration includes."""


class Login(NamedTuple):
    """A user with a password."""

    user: str
    password: str

    @property
    def identity(self) -> str:
        """The user as the server's configuration names it."""
        return f"user: {json.dumps(self.user)}, password: {json.dumps(self.password)}"


class Credentials(Struct, frozen=True, kw_only=True):
    """The embedded server's users, kept in `nats/credentials.json` (mode 0600)."""

    actor: Login
    """May do everything in the account: for tools and repairs. No process of ours uses it."""
    supervisor: Login
    executor: Login
    auditor: Login
    edge: Login
    viewer: Login
    """May listen; also whoever gives no credentials."""
    operator: Login
    """May listen, look and command."""
    backup: Login
    """May take snapshots of the streams."""
    restore: Login
    """May put them back."""
    system: Login
    """Hears the server's own events."""

    def of(self, user: User) -> Login:
        """Return a user's login."""
        login: Login = getattr(self, user.value)
        return login

    @property
    def identities(self) -> dict[User, str]:
        """Every user of the table, as the server's configuration names it."""
        return {user: self.of(user).identity for user in User}


def read_credentials(folder: Path) -> Credentials:
    """Read the users of an earlier run, and make those that are missing; raise `ServerFailed`."""
    path = folder / "credentials.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, Login]) if path.exists() else {}
    except OSError as error:
        raise ServerFailed("nats-server", f"the data folder cannot be used: {error}") from error
    except msgspec.DecodeError as error:
        why = f"{path} cannot be read ({error}); remove it, and new users are made"
        raise ServerFailed("nats-server", why) from error
    names = Credentials.__struct_fields__
    logins = {name: known.get(name) or Login(name, secrets.token_urlsafe(24)) for name in names}
    if logins != known:
        write_private(path, msgspec.json.encode(logins).decode())
    return Credentials(**logins)


def write_nkeys(folder: Path) -> list[Path]:
    """Write a seed for each user that has none, and the configuration of them all; return what was written.

    Seeds that are there stay, so that a newer version's permissions reach the server without new keys; a key
    is replaced by removing its file first.  Raises `OSError`, and `BadLogin` for a file that holds no seed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    written: list[Path] = []
    public: dict[User, str] = {}
    for user in User:
        path = folder / f"{user}.nk"
        if not path.exists():
            seed = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)
            write_private(path, seed.decode() + "\n")
            written.append(path)
        public[user] = _public_half(path)
    path = folder / CONFIGURATION
    accounts = render_accounts({user: f"nkey: {json.dumps(key)}" for user, key in public.items()})
    text = (
        f"# Written by `lastword auth nats`; run it again after each upgrade. Changes are lost.\n{accounts}"
    )
    if not path.exists() or path.read_text("utf-8") != text:
        write_private(path, text, mode=0o644)
        written.append(path)
    return written


def render_accounts(identities: Mapping[User, str], *, administrators: Iterable[str] = ()) -> str:
    """Return the accounts of a server's configuration: `identities` say who each user of the table is.

    `administrators` may do everything in lastword's account.
    """
    system = _user(identities[User.SYSTEM], User.SYSTEM)
    lines = [f"      {{ {identity} }}" for identity in administrators]
    lines += [
        f"      {_user(identity, user)}" for user, identity in identities.items() if user is not User.SYSTEM
    ]
    users = "\n".join(lines)
    return f"""accounts {{
  {SYSTEM_ACCOUNT}: {{
    users: [
      {system}
    ]
  }}
  {ACCOUNT}: {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
}}
system_account: {SYSTEM_ACCOUNT}
"""


def write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all, by default for the owner's eyes only."""
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)  # one that was left behind may have had other permissions
        file.write(text)
    part.replace(path)


def _user(identity: str, user: User) -> str:
    allowed = grant(user)
    publish, subscribe = _list(allowed.publish), _list(allowed.subscribe)
    return f"{{ {identity}, permissions: {{ publish: {{ {publish} }}, subscribe: {{ {subscribe} }} }} }}"


def _list(patterns: tuple[str, ...]) -> str:
    """Return what is allowed; an empty list would allow everything."""
    return f"allow: {json.dumps(patterns)}" if patterns else 'deny: [">"]'


def _public_half(path: Path) -> str:
    try:
        pair: Any = nkeys.from_seed(path.read_text("utf-8").strip().encode())  # its own types are wrong
        public: str = pair.public_key.decode()
        pair.wipe()
    except (nkeys.NkeysError, ValueError) as error:
        raise BadLogin(
            "nkey_seed", str(path), "it holds no nkey seed; remove it, and another is made"
        ) from error
    return public
