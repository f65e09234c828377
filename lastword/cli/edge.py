"""Where the edge is, and with which token it is asked.

The first that is given counts: `--url`, `LASTWORD_URL`, the `run.json` of a lastword that runs in this
folder, the port in this folder's settings (8484 unless set).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from lastword.cli.errors import BadUsage
from lastword.telemetry.secrets import without_secrets

if TYPE_CHECKING:
    from lastword.settings import Settings

__all__ = ["Address", "find_edge", "load_settings"]

RUN_FILE: Final = "run.json"
DEFAULT_PORT: Final = 8484
_HOST: Final = re.compile(r"[^\s/?#@\\]+")


class Address(NamedTuple):
    """Where the edge is."""

    url: str
    """Without a slash at its end."""
    source: str
    """Who says so, for error messages."""
    token: str | None
    """Bearer token. Never shown."""
    is_guess: bool = False
    """Whether this folder has work of its own and nothing says where it runs: another's may answer."""

    @property
    def shown(self) -> str:
        """The URL as people may see it."""
        return without_secrets(self.url)


class _Running(msgspec.Struct):
    """What we need of `run.json`."""

    http: str


def find_edge(url: str | None, environ: Mapping[str, str], folder: Path) -> Address:
    """Return where the edge is; raise `BadUsage` naming what cannot be used."""
    token = environ.get("LASTWORD_TOKEN") or _token_from(environ.get("LASTWORD_TOKEN_FILE"))
    if url is not None:
        return Address(_checked(url, "--url"), "--url", token)
    if environ.get("LASTWORD_URL"):
        return Address(_checked(environ["LASTWORD_URL"], "LASTWORD_URL"), "LASTWORD_URL", token)
    settings = load_settings(environ, folder)
    token = token or settings.http.token or settings.http.viewer_token
    path = folder / settings.data / RUN_FILE
    found = _running(path)
    if found is not None:
        return Address(_checked(found, str(path)), f"from {settings.data / RUN_FILE}", token)
    port = settings.http.port or DEFAULT_PORT
    # Hosts of a deployment have a bus.url, and no run.json to miss.
    is_guess = port == DEFAULT_PORT and settings.bus.url is None
    is_guess = is_guess and (bool(settings.workflows) or (folder / settings.data).exists())
    return Address(f"http://127.0.0.1:{port}", "the default", token, is_guess)


def _token_from(path: str | None) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise BadUsage(f"LASTWORD_TOKEN_FILE: {path} cannot be read: {error}") from error


def load_settings(environ: Mapping[str, str], folder: Path) -> "Settings":
    """Return the settings of `folder`; raise `BadUsage` naming the culprit."""
    from lastword.settings import BadSetting, read_settings  # not needed where the server is named

    try:
        return read_settings(environ, folder)
    except BadSetting as error:
        raise BadUsage(str(error), "Mend the setting, or name the server with --url.") from error


def _running(path: Path) -> str | None:
    """Return what `run.json` says; None where nothing ran here, or it was being written as we looked."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Running).http
    except (OSError, msgspec.DecodeError):
        return None


def _checked(url: str, source: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        good = parts.scheme in {"http", "https"} and _HOST.fullmatch(host) is not None and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its twin
        good = False
    if not good:
        raise BadUsage(f"{source}: {url!r} is no address", "Write it like http://127.0.0.1:8484.")
    return url.rstrip("/")
