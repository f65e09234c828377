"""The browser app's files under `/ui/`: read once, served from memory with validators.

Litestar's own static files answer no 304, choose no precompressed file and know no fallback for the app's
routes.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from lastword.http.conditional import matches
from lastword.http.problems import refuse

__all__ = ["AppFiles"]

MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
}
"""By the end of the name, since some hosts' own tables call scripts plain text. Litestar adds the charset."""
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
HASHED: Final = re.compile(r"[-.](?=[A-Za-z0-9_]*[0-9A-Z])[A-Za-z0-9_]{8,}\.[a-z0-9]+$")
"""Names that change with their content, such as `main-ABCD1234.js`."""
POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self' ws: wss:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
MISSING: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>lastword</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem;
color-scheme:light dark}
code{font-family:ui-monospace,monospace}</style></head><body>
<h1>lastword is running</h1>
<p>The browser app is not part of this installation. Everything else works:</p>
<ul><li><a href="/workflows">/workflows</a>: all workflows, as JSON</li>
<li><a href="/definitions">/definitions</a>: what can be started</li>
<li><a href="/summary">/summary</a>: counts by status</li>
<li><a href="/schema">/schema</a>: the whole API, described</li></ul>
<p>In a terminal: <code>lastword list</code>, <code>lastword start NAME --watch</code>.</p>
<p>To get the app, install a released wheel, or run <code>make frontend</code> in a checkout,
then start again.</p>
</body></html>
"""


@dataclass(frozen=True)
class _File:
    body: bytes
    etag: str
    media: str
    cache: str
    variants: dict[str, bytes]


class AppFiles:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read the folder; one that is missing or has no `index.html` gives the page that says so."""
        self._files = _read(folder) if (folder / "index.html").is_file() else {}

    @property
    def is_built(self) -> bool:
        """Whether there is an app."""
        return bool(self._files)

    def handlers(self) -> list[HTTPRouteHandler]:
        """Return the endpoints for Litestar."""
        return [
            get("/", name="root")(self.root),
            get("/ui", name="appIndex")(self.index),
            get("/ui/{path:path}", name="appFile")(self.file),
        ]

    async def root(self) -> Response[None]:
        """Lead to the app."""
        return Response(None, status_code=307, headers={"location": "/ui/", "cache-control": "no-cache"})

    async def index(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return the app's page; its relative addresses need the slash."""
        if not request.scope["raw_path"].endswith(b"/"):  # the router has normalised `path`
            return Response(b"", status_code=307, headers={"location": "/ui/", "cache-control": "no-cache"})
        return self._answer(request, "index.html")

    async def file(self, request: Request[Any, Any, Any], path: FromPath[Path]) -> Response[bytes]:
        """Return a file, or the app's page for one of the app's own addresses."""
        return self._answer(request, path.as_posix().lstrip("/") or "index.html")

    def _answer(self, request: Request[Any, Any, Any], name: str) -> Response[bytes]:
        if not self._files:
            if "." in name.rpartition("/")[2] and name != "index.html":
                raise refuse("app_not_built", "Run `make frontend` in a checkout, or install a wheel.")
            headers = {**SECURITY, "cache-control": "no-store"}
            return Response(MISSING.encode(), media_type=MEDIA_TYPES[".html"], headers=headers)
        found = self._files.get(name)
        if found is None:
            if "." in name.rpartition("/")[2]:  # a file that is not there; the page would be a lie
                raise refuse("not_found", f"The app has no file {name[:120]}.")
            found = self._files["index.html"]
        return _send(request, found)


def _send(request: Request[Any, Any, Any], file: _File) -> Response[bytes]:
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    body, etag = file.body, file.etag
    headers = {**SECURITY, "cache-control": file.cache, "vary": "Accept-Encoding"}
    for encoding, _ in ENCODINGS:
        if encoding in file.variants and encoding in accepted:
            body = file.variants[encoding]
            etag = f'{etag[:-1]}-{encoding}"'  # a strong tag names these very bytes
            headers["content-encoding"] = encoding
            break
    headers["etag"] = etag
    given = request.headers.get("if-none-match")
    if given is not None and matches(given.encode("latin-1"), etag):
        headers.pop("content-encoding", None)
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=file.media, headers=headers)


def _accepted(header: str) -> set[str]:
    """Return the encodings that a client takes; `q=0` refuses one."""
    found: set[str] = set()
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            found.add(name.strip())
    return found


def _read(folder: Path) -> dict[str, _File]:
    files: dict[str, _File] = {}
    suffixes = {suffix for _, suffix in ENCODINGS}
    home = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix in suffixes:
            continue
        if not path.resolve().is_relative_to(home):  # a link to elsewhere is no part of the app
            continue
        body = path.read_bytes()
        variants = {
            encoding: path.with_name(path.name + suffix).read_bytes()
            for encoding, suffix in ENCODINGS
            if path.with_name(path.name + suffix).is_file()
        }
        name = path.relative_to(folder).as_posix()
        files[name] = _File(
            body=body,
            etag=f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"',
            media=MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream"),
            cache="public, max-age=31536000, immutable" if HASHED.search(path.name) else "no-cache",
            variants=variants,
        )
    return files
