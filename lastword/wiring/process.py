"""One role in this process: logs, signals, the event loop, and an exit code.

SIGTERM, SIGINT and the end of the terminal ask the role to stop; it winds up and ends with 0.  What a user
can mend (no server, an old database, a bad setting) ends with 1 and one line that names the culprit and the
remedy, no traceback.
"""

import asyncio
import ctypes
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import uvloop

from lastword import __version__
from lastword.bus import BusError
from lastword.settings import BadSetting, Settings
from lastword.telemetry.logs import configure_logs
from lastword.telemetry.traces import configure_traces

__all__ = ["allow_descriptors", "die_with_parent", "run_role", "stop_signals"]

log = structlog.get_logger(__name__)

PR_SET_PDEATHSIG: Final = 1
DESCRIPTORS: Final = 65_536  # open at once; the usual 1,024 would be less than the streams of one edge


def run_role(
    role: str,
    settings: Settings,
    work: Callable[[asyncio.Event], Awaitable[None]],
    *,
    signals: tuple[signal.Signals, ...] | None = None,
) -> int:
    """Run `work` on an event loop of its own until it returns or one of `signals` asks it to stop.

    By default those are what asks any program to stop, `stop_signals`.
    """
    signals = stop_signals() if signals is None else signals
    close_logs = configure_logs(settings.log, role)
    allow_descriptors()
    close_traces = configure_traces(role, __version__, os.environ)
    try:
        uvloop.run(_until_signalled(work, signals))
    except _mendable() as error:
        log.error("role.failed", error=str(error))  # noqa: TRY400  the message says it all
        return 1
    except Exception:
        log.exception("role.crashed")
        return 1
    finally:
        close_traces()
        close_logs()
    return 0


def allow_descriptors() -> None:
    """Let this process open as many files and connections as it may, within reason.

    Nothing here uses `select`, for whose sake the limit is low unless one asks for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return what asks to stop; the end of the terminal does, unless it is ignored, as `nohup` wants it."""
    asked = (signal.SIGTERM, signal.SIGINT)
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return asked if ignored else (*asked, signal.SIGHUP)


def die_with_parent(sent: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to end this process when its parent ends, however that happens (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, sent)


async def _until_signalled(
    work: Callable[[asyncio.Event], Awaitable[None]], signals: tuple[signal.Signals, ...]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sent in signals:
        loop.add_signal_handler(sent, stop.set)
    await work(stop)


def _mendable() -> tuple[type[Exception], ...]:
    from lastword.http.access import InsecureBind
    from lastword.storage.exceptions import StorageError

    return (BusError, BadSetting, InsecureBind, StorageError, OSError)
