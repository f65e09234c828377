"""What every command needs of the world: the environment, the folder, and where to write.

Made once, in `__main__`; a test makes its own.  Results go to `out`, everything else (hints, errors, what
happened to the link) to `err`, so that a pipe carries results alone.
"""

import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:  # these take a third of a second, which `lastword --help` does not have
    import httpx
    from rich.console import Console

    from lastword.cli.client import EdgeClient

__all__ = ["Session"]

T = TypeVar("T")
PLAIN_WIDTH: Final = 10_000  # columns where no terminal is: never cut, never wrapped


@dataclass(kw_only=True)
class Session:
    """One run of the command line."""

    environ: Mapping[str, str]
    folder: Path
    as_json: bool = False
    """Whether programs read what is written."""
    url: str | None = None
    """What `--url` says."""
    transport: "httpx.AsyncBaseTransport | None" = None
    """A test's stand-in for the network."""

    @cached_property
    def out(self) -> "Console":
        """Where results go."""
        return _console(sys.stdout)

    @cached_property
    def err(self) -> "Console":
        """Where everything else goes."""
        return _console(sys.stderr)

    def client(self) -> "EdgeClient":
        """Return a client for the edge that the command line, the environment or the folder names."""
        from lastword.cli.client import EdgeClient
        from lastword.cli.edge import find_edge

        return EdgeClient(find_edge(self.url, self.environ, self.folder), transport=self.transport)

    def announced(self) -> "EdgeClient":
        """Return a client as above; tell whom it asks where nothing says that it is this folder's."""
        client = self.client()
        if client.address.is_guess and not self.as_json:
            said = (
                f"nothing runs in this folder; asking {client.address.shown}, which may be another project's"
            )
            self.err.print(said, style="dim", soft_wrap=True)
        return client

    def run(self, work: "Callable[[EdgeClient], Awaitable[T]]") -> T:
        """Ask the edge what `work` asks, on an event loop of its own."""
        import asyncio

        async def asked() -> T:
            async with self.announced() as client:
                return await work(client)

        return asyncio.run(asked())

    def document(self, raw: bytes) -> None:
        """Write one JSON document of the server's on one line."""
        self.out.file.write(as_line(raw) + "\n")
        self.out.file.flush()

    def hint(self, text: str) -> None:
        """Tell a person at a terminal what could be done next."""
        if not self.as_json and self.err.is_terminal:
            self.err.print(text, style="dim", soft_wrap=True)  # a command to copy stays whole


def as_line(raw: bytes) -> str:
    """Return JSON on one line, in ASCII, so that no terminal is moved by it and no encoding refuses it."""
    return json.dumps(json.loads(raw), ensure_ascii=True, separators=(",", ":"))


def _console(stream: Any) -> "Console":
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to `invoke`: rich would exit with 1, which here means a failed workflow."""
            raise BrokenPipeError

    terminal = stream.isatty()
    return Piped(
        file=stream,
        width=None if terminal else PLAIN_WIDTH,
        markup=False,  # text from workflows is no markup
        emoji=False,
        highlight=False,
        soft_wrap=not terminal,
    )
