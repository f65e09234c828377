"""Starts workflows' processes, each as a fork of a server that has imported what is slow to import.

There is one fork server for each interpreter and for each answer to "does it need CrewAI?": a plain function
runs in a process of some 15 MB that knows nothing of CrewAI, and a setup without CrewAI stays light.  Whether
a target needs it is guessed from its source, without importing anything; a wrong guess costs time or memory,
never correctness, since a process imports what is missing.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from lastword.child.errors import SpawnFailed
from lastword.child.guess import mentions_crewai
from lastword.child.process import Child
from lastword.child.protocol import Description, Target, Work
from lastword.child.server import ForkServer

__all__ = ["QUIET", "ChildPool"]

QUIET: Final = {
    "CREWAI_DISABLE_TELEMETRY": "true",  # its SIGTERM handler would end a run with exit code 0, 14 s later
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}
"""Set before CrewAI is imported, where the user has not set them: no telemetry, no sockets, no prompts."""
FORGOTTEN: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Set for the imports alone: threads do not survive a fork, and the work may have as many as it likes."""
CREWAI_MODULES: Final = (
    "anyio",
    "crewai",
    "crewai.agents.agent_executor",
    "crewai.core.providers.human_input",
    "crewai.events.stream_context",
    "crewai.events.event_types",
    "crewai.flow",
    "crewai.hooks",
    "crewai.lite_agent",
    "crewai.llms.providers.openai.completion",
    "crewai.project",
    "httpcore",
    "openai.resources",
)
"""Imported beforehand: all that a crew with an OpenAI-compatible model touches, or its first call would take
a second or more to import it. None of them starts a thread."""
KEPT: Final = frozenset({"LASTWORD_URL"})
"""The only settings of lastword's that a workflow sees; others hold passwords."""
DESCRIBE_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class _Kind:
    """What a fork server must be like."""

    python: str
    with_crewai: bool


class ChildPool:
    """All processes of one executor, and the fork servers that they come from."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Take the processes' environment, by default this process's own."""
        given = os.environ if environ is None else environ
        self._environ = {
            name: value for name, value in given.items() if not name.startswith("LASTWORD_") or name in KEPT
        }
        self._servers: dict[_Kind, ForkServer] = {}
        self._children: set[Child] = set()
        self._uses_crewai: dict[Target, bool] = {}  # learned from descriptions
        self._closed = False

    async def warm(self, targets: Iterable[Target]) -> None:
        """Start the fork servers that `targets` need, and wait for their imports.

        One that cannot start is not an error here; `spawn` and `describe` will say it of the target.
        """
        kinds: set[_Kind] = set()
        for target in targets:
            try:
                kinds.add(self._kind(target))
            except SpawnFailed:
                continue
        await asyncio.gather(*(self._try_warm(kind) for kind in kinds))

    async def describe(
        self,
        target: Target,
        *,
        fallback_environment: Mapping[str, str] | None = None,
        fallback_unless: Sequence[str] = (),
        timeout_s: float = DESCRIBE_TIMEOUT_S,
    ) -> Description:
        """Load `target` in a process of its own and tell what it is; a broken one is an answer too.

        The variables are those of `Work`: a crew may look for its language model while it is built.
        """
        with tempfile.TemporaryDirectory(prefix="lastword-") as folder:
            work = Work(
                workflow_id="describe",
                target=target,
                run_dir=folder,
                fallback_environment=dict(fallback_environment or {}),
                fallback_unless=tuple(fallback_unless),
            )
            try:
                child = await self._start(work, describe=True)
            except SpawnFailed as failure:
                return _broken(failure.error.message)
            try:
                ended = await asyncio.wait_for(child.ended(), timeout_s)
            except TimeoutError:
                return _broken(f"it did not load within {timeout_s:g} s")
            finally:
                child.kill()
                await child.ended()
        if child.description is not None:
            self._uses_crewai[target] = child.description.uses_crewai
            return child.description
        reason = ended.error.message if ended.error else "it said nothing"
        return _broken("\n".join((reason, *ended.last_lines)))

    async def spawn(self, work: Work) -> Child:
        """Start a process for `work`; raise `SpawnFailed`."""
        return await self._start(work, describe=False)

    async def close(self) -> None:
        """Kill what still runs, and end the fork servers."""
        self._closed = True
        for child in self._children:
            child.kill()
        await asyncio.gather(*(child.ended() for child in self._children))
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    async def _start(self, work: Work, *, describe: bool) -> Child:
        if self._closed:
            raise SpawnFailed("the pool is closed")
        kind = self._kind(work.target)
        server = self._server(kind)
        await server.ready()
        if not server.alive:  # it died since it was ready; nothing was asked of it, so another may be
            server = self._server(kind)
            await server.ready()
        forked = await server.fork(self._payload(work, describe=describe))
        child = Child(work.workflow_id, server, forked, work.max_result_bytes)
        self._children.add(child)
        child.on_end(self._children.discard)
        return child

    def _server(self, kind: _Kind) -> ForkServer:
        server = self._servers.get(kind)
        if server is None or not server.alive:
            environ = _environment(self._environ, kind)
            server = ForkServer(
                kind.python,
                preload=("msgspec", *(CREWAI_MODULES if kind.with_crewai else ())),
                environ=environ,
                forget=[name for name in FORGOTTEN if name not in self._environ],
            )
            server.launch()
            self._servers[kind] = server
        return server

    def _payload(self, work: Work, *, describe: bool) -> bytes:
        fields: dict[str, Any] = {
            **msgspec.structs.asdict(work),
            **msgspec.structs.asdict(work.target),
            "base_dir": str(Path(work.target.base_dir).resolve()),
            "run_dir": str(Path(work.run_dir).resolve()),
            "describe": describe,
        }
        del fields["target"]
        return msgspec.json.encode(fields)

    async def _try_warm(self, kind: _Kind) -> None:
        with contextlib.suppress(SpawnFailed):
            await self._server(kind).ready()

    def _kind(self, target: Target) -> _Kind:
        python = sys.executable if target.python is None else _find_python(target.python, target.base_dir)
        needs = self._uses_crewai.get(target)
        if needs is None:
            needs = mentions_crewai(target, sys.path)
        if target.python is None and importlib.util.find_spec("crewai") is None:
            needs = False
        return _Kind(python, needs)


def _broken(error: str) -> Description:
    return Description(kind="broken", input_schema={"type": "object"}, error=error)


def _environment(given: Mapping[str, str], kind: _Kind) -> dict[str, str]:
    environ = {**QUIET, **given}
    if kind.with_crewai:
        environ = {**FORGOTTEN, **environ}
    if kind.python != sys.executable:
        for name in ("PYTHONHOME", "PYTHONPATH"):  # they speak of this interpreter's packages
            environ.pop(name, None)
        folder = Path(kind.python).parent
        environ["PATH"] = f"{folder}{os.pathsep}{environ.get('PATH', os.defpath)}"
        environ["VIRTUAL_ENV"] = str(folder.parent)
    return environ


def _find_python(given: str, base_dir: str) -> str:
    """Return the path of an interpreter: a path, the folder of an environment, or a name on PATH."""
    path = Path(base_dir) / Path(given).expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    elif os.sep not in given and (found := shutil.which(given)):
        return found
    if not os.access(path, os.X_OK):
        raise SpawnFailed(f"python = {given!r} names no interpreter: there is no program {path}")
    return str(path.absolute())  # not resolved: a link's own folder is what makes it an environment
