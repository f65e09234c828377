"""Whether a process works, told where a container's health check can see it.

An edge answers HTTP anyway.  The other roles listen on nothing, and shall not begin to for this: their event
loop writes a small file every other second, so that one that hangs is seen as well as one that cannot reach
NATS.  Times are the host's monotonic clock, which every process of a host shares.
"""

import asyncio
import http.client
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from lastword.http.settings import HttpSettings

__all__ = ["ask_edge", "look_at", "showing_health"]

EVERY_S: Final = 2.0
TOO_OLD_S: Final = 10.0
"""Age of a sign from which its process counts as stuck: four were left out."""
ANSWER_S: Final = 3.0
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  addresses that stand for all, and one to ask


class _Sign(Struct, frozen=True, kw_only=True):
    """What the file says."""

    pid: int
    at_s: float
    problem: str | None = None
    """What keeps it from working; None where it works."""


@asynccontextmanager
async def showing_health(
    role: str, data: Path, problem: Callable[[], str | None]
) -> AsyncGenerator[None, None]:
    """Write signs of life into the data folder until the block is left.

    `problem` tells what keeps the role from working, such as "cannot reach NATS"; None where it works.
    """
    showing = asyncio.create_task(_show(_path(data, role), problem), name="health")
    try:
        yield
    finally:
        showing.cancel()
        await asyncio.gather(showing, return_exceptions=True)
        with suppress(OSError):
            _path(data, role).unlink()


def look_at(role: str, data: Path, *, now_s: float | None = None) -> str | None:
    """Return what is wrong with the process of a role that uses the data folder; None where it works."""
    path = _path(data, role)
    try:
        sign = msgspec.json.decode(path.read_bytes(), type=_Sign)
    except OSError:
        return f"no {role} works with the data folder {data}"
    except msgspec.DecodeError as error:
        return f"{path} cannot be read: {error}"
    age_s = (now_s if now_s is not None else time.monotonic()) - sign.at_s
    if not 0 <= age_s < TOO_OLD_S:  # negative: from before the host was started
        return f"the {role} (process {sign.pid}) has given no sign of life for {abs(age_s):.0f} s"
    return f"the {role} (process {sign.pid}) {sign.problem}" if sign.problem else None


def ask_edge(settings: HttpSettings) -> str | None:
    """Return what is wrong with the edge of these settings; None where it is ready."""
    host = EVERYWHERE.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return (
            f"the edge does not answer on {host} port {settings.port}: {str(error) or type(error).__name__}"
        )
    finally:
        connection.close()
    if answer.status == 200:
        return None
    detail: object = answer.status
    with suppress(msgspec.DecodeError):
        detail = msgspec.json.decode(body, type=dict[str, object]).get("detail", detail)
    return f"the edge is not ready: {detail}"


def _path(data: Path, role: str) -> Path:
    return data / "health" / f"{role}.json"


async def _show(path: Path, problem: Callable[[], str | None]) -> None:
    import structlog  # who only looks has no use for it, and looks often

    complained = False
    while True:
        sign = _Sign(pid=os.getpid(), at_s=time.monotonic(), problem=problem())
        try:
            await asyncio.to_thread(_write, path, msgspec.json.encode(sign))
        except OSError as error:
            if not complained:  # a role works without a folder that it may write to
                complained = True
                log = structlog.get_logger(__name__)
                log.warning("health.unshown", path=str(path), error=str(error))
        await asyncio.sleep(EVERY_S)


def _write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(text)
    part.replace(path)
