"""`lastword up`: everything in one terminal."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import click
import httpx

from lastword.offline import provider_configured
from lastword.settings import BadSetting, Settings, read_settings
from lastword.telemetry.render import as_json, as_text
from lastword.wiring.stack import CannotStart, Stack

__all__ = ["up"]

DEMO = "research-brief"
DEMO_INPUTS = {"topic": "tidal power"}
DEMO_TITLE = "A brief on tidal power"


@click.command(short_help="Run everything in this terminal.")
@click.option(
    "--demo", is_flag=True, help="Serve the packaged examples, and start one in an empty data folder."
)
def up(*, demo: bool) -> None:
    """Run everything in this terminal, until Ctrl-C or the terminal's end.

    That is: an embedded nats-server, a database file, a supervisor, an auditor, an executor and the edge.
    What can be run is declared in lastword.toml in this folder.
    """
    try:
        settings = _settings(demo=demo)
    except BadSetting as error:
        _fail(str(error))
    provider = provider_configured(os.environ)
    offline = settings.llm.offline if settings.llm.offline is not None else provider is None
    stack = Stack(settings, offline=offline, say=_say(settings))
    began_s = time.monotonic()
    try:
        stack.start()
    except CannotStart as error:
        _fail(str(error))
    greeting = Greeting(stack, settings, offline=offline, provider=provider, demo=demo, began_s=began_s)
    try:
        lasting = stack.keep(each_second=greeting.look)
    finally:
        stack.stop()
    if not lasting:
        _fail("something ends again and again; the lines above say what")
    click.echo("lastword has stopped.")


class Greeting:
    """Tells where to look once the edge answers, and starts the example once its definition is there."""

    def __init__(
        self,
        stack: Stack,
        settings: Settings,
        *,
        offline: bool,
        provider: str | None,
        demo: bool,
        began_s: float,
    ) -> None:
        self._stack = stack
        self._settings = settings
        self._offline = offline
        self._provider = provider
        self._began_s = began_s
        self._next: Callable[[], bool] | None = self._greet
        self._demo = demo
        self._key = f"demo-{uuid4().hex}"  # an answer may be late, and the example must not start twice

    def look(self) -> None:
        """Do the next thing if its time has come; the keeper calls this each second."""
        if self._next is None:
            return
        try:
            done = self._next()
        except httpx.HTTPError:
            return
        if done:
            self._next = self._start_example if self._demo and self._next == self._greet else None

    def _greet(self) -> bool:
        if httpx.get(f"{self._stack.http_url}/health/ready", timeout=1.0).status_code != 200:
            return False
        for line in self._banner():
            click.echo(line)
        return True

    def _banner(self) -> list[str]:
        lines = [
            "",
            f"  lastword is up after {time.monotonic() - self._began_s:.1f} s. Ctrl-C stops everything.",
            "",
            f"  Browser   {self._stack.http_url}/ui/",
            f"  HTTP API  {self._stack.http_url}/schema",
            f"  NATS      nats sub -s {self._stack.nats_url} 'lastword.status.>'",
            f"  Data      {self._settings.data.absolute()}",
        ]
        if self._offline:
            lines.append(
                "  Model     built in: ITS ANSWERS ARE CANNED. For a real one set OPENAI_API_KEY, "
                "or MODEL and its provider's variables."
            )
        else:
            lines.append(f"  Model     {self._provider or 'as the environment says'}")
        if self._settings.workflows:
            some = DEMO if self._demo else min(self._settings.workflows)
            inputs = " -i topic='tidal power'" if self._demo else ""
            lines += ["", f"  Try, in another terminal:  lastword start {some}{inputs} --watch"]
        else:
            lines += [
                "",
                "  Nothing can be started yet: declare it in lastword.toml, or try lastword up --demo",
            ]
        return [*lines, ""]

    def _start_example(self) -> bool:
        """Start the example in an empty data folder, as soon as an executor has announced it."""
        url = self._stack.http_url
        token = self._settings.http.token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        found = httpx.get(f"{url}/workflows", params={"limit": 1}, headers=headers, timeout=2.0)
        if found.status_code == 401 or (found.status_code == 200 and found.json()["items"]):
            return True  # it takes a token that we do not have, or there is something to see already
        body = {"definition": DEMO, "title": DEMO_TITLE, "inputs": DEMO_INPUTS}
        once = {**headers, "idempotency-key": self._key}
        answer = httpx.post(f"{url}/workflows", json=body, headers=once, timeout=5.0)
        return answer.is_success


def _settings(*, demo: bool) -> Settings:
    """Read the settings; for the demo, the packaged examples' instead of this folder's lastword.toml."""
    environ = dict(os.environ)
    if demo:
        environ["LASTWORD_CONFIG"] = str(files("lastword.examples") / "lastword.toml")
    return read_settings(environ, Path.cwd())


def _say(settings: Settings) -> Callable[..., None]:
    """Return what writes a line of the keeper's own; it has no logger, whose thread a fork would lose."""
    as_lines = settings.log.format == "text" or (settings.log.format == "auto" and sys.stdout.isatty())

    def say(event: str, **keys: object) -> None:
        line = {"event": event, "level": "warning", "role": "keeper", **keys}
        if as_lines:
            text = as_text(line, now=datetime.now(UTC).astimezone(), colours=sys.stdout.isatty())
        else:
            text = as_json({**line, "at": datetime.now(UTC).isoformat()}).decode()
        with suppress(OSError):  # a terminal that has gone is no reason to leave the rest undone
            sys.stdout.write(text)
            sys.stdout.flush()

    return say


def _fail(message: str) -> NoReturn:
    click.echo(f"lastword: {message}", err=True)
    sys.exit(1)
