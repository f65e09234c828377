"""`lastword auth`: who may use the HTTP API, and who may speak on NATS."""

import json
import os
import pwd
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click
import msgspec

from lastword.cli.errors import BadUsage
from lastword.cli.exits import Exit
from lastword.cli.session import Session
from lastword.cli.stored import ask_storage
from lastword.telemetry.inert import inert

if TYPE_CHECKING:
    from lastword.storage import StoredToken, TokenStore
    from lastword.storage.settings import StorageSettings

__all__ = ["auth"]

MAX_NAME: Final = 60
_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@click.group(short_help="Make and revoke tokens, and users of NATS.")
def auth() -> None:
    """Say who may use the HTTP API, and who may speak on NATS.

    Tokens are kept in the database of this folder's settings, as digests; every edge heeds a change within a
    second or so, on open streams too.
    """


@auth.command(short_help="Make a token.")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator"]), default="viewer", show_default=True)
@click.option("--expires", metavar="SPAN", help="How long it is good for, such as 90d, 12h or 30m.")
@click.pass_obj
def create(session: Session, /, name: str, role: Literal["viewer", "operator"], expires: str | None) -> Exit:
    """Make a token for NAME, and show it this once.

    A viewer may look; an operator may also start, cancel, retry and reconcile. NAME stands as `started_by` in
    what is started with the token, and in the audit trail.
    """
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise BadUsage(f"NAME has 1 to {MAX_NAME} printable characters")
    now = datetime.now(UTC)
    until = None if expires is None else now + _span(expires)

    async def work(store: "TokenStore") -> "tuple[StoredToken, str]":
        return await store.create(name, role, by=_user(), now=now, expires_at=until)

    made, text = _run(session, work)
    session.out.print(text, soft_wrap=True)
    ends = f"until {_at(until)}" if until is not None else "until it is revoked"
    session.err.print(
        f"Token {made.id} for {inert(name)}, {role}, {ends}. It is not shown again; pass it as "
        "LASTWORD_TOKEN, or in the header `Authorization: Bearer …`.",
        soft_wrap=True,
    )
    return Exit.SUCCESS


@auth.command("list", short_help="List the tokens.")
@click.option("--all", "everything", is_flag=True, help="Also those that are revoked or have expired.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON alone.")
@click.pass_obj
def list_(session: Session, /, everything: bool, as_json: bool) -> Exit:  # noqa: FBT001  click's way
    """List who has a token: since when, until when, and when it was last used."""
    now = datetime.now(UTC)

    async def work(store: "TokenStore") -> "tuple[StoredToken, ...]":
        return await store.all()

    tokens = [token for token in _run(session, work) if everything or token.stands(now)]
    if as_json:
        shown = [
            {name: value for name, value in msgspec.structs.asdict(token).items() if name != "digest"}
            for token in tokens
        ]
        session.out.file.write(json.dumps(msgspec.to_builtins(shown)) + "\n")
        return Exit.SUCCESS
    if not tokens:
        session.out.print("There are no tokens." if everything else "No token is in use.")
        return Exit.SUCCESS
    rows = [("ID", "NAME", "ROLE", "CREATED", "LAST USED", "ENDS")]
    rows += [
        (
            token.id,
            inert(token.name),
            token.role,
            f"{_at(token.created_at)} by {inert(token.created_by)}",
            _at(token.last_used_at) if token.last_used_at is not None else "never",
            _end(token, now),
        )
        for token in tokens
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        session.out.print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
    return Exit.SUCCESS


@auth.command(short_help="Revoke a token.")
@click.argument("token")
@click.pass_obj
def revoke(session: Session, /, token: str) -> Exit:
    """Revoke TOKEN, by its id or its name: nothing is answered to it any more, and its open streams end."""

    async def work(store: "TokenStore") -> "StoredToken":
        return await store.revoke(token, by=_user(), now=datetime.now(UTC))

    gone = _run(session, work)
    session.out.print(f"revoked {gone.id} ({inert(gone.name)}, {gone.role})")
    return Exit.SUCCESS


@auth.command(short_help="Write keys and permissions for a NATS server of your own.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def nats(session: Session, /, folder: Path) -> Exit:
    """Write into FOLDER an nkey seed for each user of NATS, and the configuration that the server includes.

    Seeds that are there stay: run it again after each upgrade of lastword, whose permissions may have
    changed, and remove a seed first to replace it. The seeds are secrets; the configuration holds none.
    """
    from lastword.bus import write_nkeys

    _write(session, folder, write_nkeys)
    session.hint("Next: see docs/how-to/secure.md.")
    return Exit.SUCCESS


@auth.command(short_help="Write the secrets of compose.yaml.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
def compose(session: Session, /, folder: Path) -> Exit:
    """Write into FOLDER every secret that compose.yaml mounts, each into a file of its own.

    The nkeys and permissions of NATS as `lastword auth nats` has them, the password of its routes, that of
    PostgreSQL, and a first token for an operator and for a viewer. What is there stays: run it again after
    each upgrade of lastword. Only the folder's owner can get into it.
    """
    from lastword.wiring.deployment import write_secrets

    _write(session, folder, write_secrets)
    return Exit.SUCCESS


def _write(session: Session, folder: Path, write: Callable[[Path], list[Path]]) -> None:
    """Have files written into the folder, and say which."""
    from lastword.bus import BusError

    path = session.folder / folder
    try:
        written = write(path)
    except (BusError, OSError) as error:
        raise BadUsage(str(error)) from error
    for file in written:
        session.out.print(f"wrote {file}")
    if not written:
        session.out.print(f"{path}: all is as it should be")


def _run(session: Session, work: "Callable[[TokenStore], Awaitable[Any]]") -> Any:
    """Do `work` on the tokens of the database that the settings name; raise `CommandFailed`."""
    from lastword.storage import TokenStore, open_database

    async def worked(storage: "StorageSettings", data: Path) -> Any:
        async with open_database(storage, data) as database:
            return await work(TokenStore(database))

    return ask_storage(session, worked, code="tokens", title="The tokens cannot be changed")


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BadUsage(f"--expires: {text!r} is no span of time", "Write it like 90d, 12h or 30m.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _at(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _end(token: "StoredToken", now: datetime) -> str:
    if token.revoked_at is not None:
        return f"revoked {_at(token.revoked_at)} by {inert(token.revoked_by or '?')}"
    if token.expires_at is None:
        return "-"
    return f"{'' if token.stands(now) else 'expired '}{_at(token.expires_at)}"


def _user() -> str:
    """Return who types, for the record."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        return f"uid {os.getuid()}"
