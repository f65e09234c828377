"""The executor's handle on one fork server (see `lastword.child.inside.forkserver` for what it says)."""

import asyncio
import contextlib
import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lastword.child.errors import SpawnFailed

__all__ = ["ExitStatus", "ForkServer", "Forked"]

READY_TIMEOUT_S: Final = 120.0
"""How long the imports may take; the slowest measured took 9 s, on a busy machine with a cold disk."""
PIPE_BYTES: Final = 1 << 20
"""Room on the private pipe, so that a process seldom waits for its executor."""
_BOOTSTRAP: Final = Path(__file__).parent / "inside" / "bootstrap.py"


@dataclass(frozen=True)
class ExitStatus:
    """How the kernel says that a process ended: an exit code, or a signal's number."""

    number: int
    signalled: bool


@dataclass(frozen=True)
class Forked:
    """A process that a fork server has started; the receiver owns the descriptors."""

    number: int
    pid: int
    pidfd: int
    voice: int
    out: int
    err: int
    status: "asyncio.Future[ExitStatus | None]"
    """Set when it has ended and its group is killed; None where the server died with it."""


class ForkServer:
    """One fork server: an interpreter that has imported what is slow to import."""

    def __init__(
        self, python: str, *, preload: Sequence[str], environ: Mapping[str, str], forget: Sequence[str] = ()
    ) -> None:
        self._python = python
        self._options = {"preload": list(preload), "forget": list(forget)}
        self._environ = dict(environ)
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._statuses: dict[int, asyncio.Future[ExitStatus | None]] = {}
        self._ready: asyncio.Future[int] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._outgoing: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self._output = b""  # the last of what it printed, for people who wonder why it ended
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._out = -1
        self._pidfd = -1
        self.failures: tuple[str, ...] = ()
        """What could not be imported beforehand; a process that needs it says so itself."""

    @property
    def pid(self) -> int:
        """The server's own process."""
        if self._process is None:
            raise RuntimeError("the fork server was not launched")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can still fork."""
        return not self._gone.done()

    def launch(self) -> None:
        """Start the interpreter, and return without waiting for its imports; raise `SpawnFailed`."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        read, write = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  the interpreter of the executor, or of its settings
                [self._python, str(_BOOTSTRAP), str(theirs.fileno()), json.dumps(self._options)],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                env=self._environ,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the terminal's Ctrl-C is for the executor
            )
        except OSError as error:
            mine.close()
            os.close(read)
            raise SpawnFailed(f"{self._python}: {error.strerror}") from error
        finally:
            theirs.close()
            os.close(write)
        mine.setblocking(False)  # noqa: FBT003  it takes no keyword
        os.set_blocking(read, False)
        self._socket = mine
        self._out = read
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(mine, self._hear, mine)
        self._loop.add_reader(read, self._read_output, read)
        self._loop.add_reader(self._pidfd, self._bury)

    async def ready(self) -> None:
        """Wait for the imports; raise `SpawnFailed` where the server ended instead."""
        try:
            await asyncio.wait_for(asyncio.shield(self._ready), READY_TIMEOUT_S)
        except TimeoutError as error:
            self.kill()
            raise SpawnFailed(f"{self._python} was not ready after {READY_TIMEOUT_S:g} s") from error

    async def fork(self, work: bytes) -> Forked:
        """Start a process for `work`, once the server is ready; raise `SpawnFailed`."""
        if not self.alive:  # nothing would ever answer
            raise SpawnFailed(f"the fork server ({self._python}) has ended")
        number = next(self._numbers)
        try:
            ours, theirs = _open_channels(work)
        except OSError as error:
            raise SpawnFailed(f"{error.strerror} (descriptors for the process)") from error
        answer = self._pending[number] = self._loop.create_future()
        status = self._statuses[number] = self._loop.create_future()
        self._post({"fork": number}, theirs)
        try:
            pid, pidfd = await asyncio.shield(answer)
        except BaseException:
            _close(ours)
            answer.add_done_callback(lambda late: self._abandon(number, late))
            raise
        return Forked(number, pid, pidfd, *ours, status=status)

    def release(self, number: int) -> None:
        """Let a process's number be reused: to be called once it has ended and nobody signals it any more."""
        if self._statuses.pop(number, None) is not None:
            self._post({"release": number})

    def kill(self) -> None:
        """End the server, and by that its processes."""
        if self._process is not None and self.alive:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def close(self, patience_s: float = 5.0) -> None:
        """Close the connection, upon which the server kills its processes and ends."""
        if self._socket is None or not self.alive:
            return
        if not self._ready.done():
            self.kill()  # it is importing, and would look up only when that is done; it has no process yet
        with contextlib.suppress(OSError):  # it may be ending by itself
            self._socket.shutdown(socket.SHUT_RDWR)
        done, _ = await asyncio.wait({self._gone}, timeout=patience_s)
        if not done:
            self.kill()
            await asyncio.shield(self._gone)

    def _abandon(self, number: int, late: "asyncio.Future[tuple[int, int]]") -> None:
        """End a process that came after the one who wanted it was cancelled."""
        if late.cancelled() or late.exception() is not None:
            return
        _, pidfd = late.result()
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        self._statuses[number].add_done_callback(lambda _: self.release(number))

    def _post(self, message: dict[str, int], fds: Sequence[int] = ()) -> None:
        """Send, now or when there is room again; the descriptors are closed once they are sent."""
        self._outgoing.append((json.dumps(message).encode(), tuple(fds)))
        self._send_outgoing()

    def _send_outgoing(self) -> None:
        if self._socket is None or not self.alive:
            self._drop_outgoing()
            return
        while self._outgoing:
            data, fds = self._outgoing[0]
            try:
                socket.send_fds(self._socket, [data], fds)
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._send_outgoing)
                return
            except OSError:  # the server is ending, and its end is told by its pidfd
                break
            self._outgoing.popleft()
            _close(fds)
        self._drop_outgoing()
        self._loop.remove_writer(self._socket)

    def _drop_outgoing(self) -> None:
        while self._outgoing:
            _close(self._outgoing.popleft()[1])

    def _hear(self, connection: socket.socket) -> None:
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(connection, 65_536, 1, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                self._loop.remove_reader(connection)
                return
            self._take(json.loads(data), fds)

    def _take(self, message: dict[str, Any], fds: list[int]) -> None:
        match message:
            case {"forked": int(number), "pid": int(pid)}:
                self._pending.pop(number).set_result((pid, fds[0]))
            case {"ended": int(number), "status": int(status), "signal": bool(signalled)}:
                self._statuses[number].set_result(ExitStatus(status, signalled))
            case {"refused": int(number), "why": str(why)}:
                del self._statuses[number]
                self._pending.pop(number).set_exception(SpawnFailed(why))
            case {"ready": int(pid), "failures": list()}:
                self.failures = tuple(str(one) for one in message["failures"])
                self._ready.set_result(pid)
            case _:
                raise RuntimeError(f"a fork server said {message!r}")

    def _read_output(self, fd: int) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(fd, 65_536)
            if data:
                self._output = (self._output + data)[-4096:]
            else:
                self._loop.remove_reader(fd)

    def _bury(self) -> None:
        """Take note of the server's end: nothing is forked any more, and what it had forked dies with it."""
        if self._process is None or self._socket is None:
            return
        code = self._process.wait()
        self._hear(self._socket)  # what it still said
        self._read_output(self._out)
        for fd in (self._socket, self._out, self._pidfd):
            self._loop.remove_reader(fd)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        _close((self._out, self._pidfd))
        self._gone.set_result(None)
        self._drop_outgoing()
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        failure = SpawnFailed(
            f"the fork server ({self._python}) {how}", self._output.decode("utf-8", "replace")
        )
        futures: list[asyncio.Future[Any]] = [self._ready, *self._pending.values()]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(failure)
                waiting.exception()  # nobody may be waiting for it
        self._pending.clear()
        for status in self._statuses.values():
            if not status.done():
                status.set_result(None)


def _open_channels(work: bytes) -> tuple[tuple[int, int, int], tuple[int, int, int, int]]:
    """Return our ends (private pipe, stdout, stderr) and the process's (its work, and the other ends)."""
    opened: list[int] = []
    try:
        memory = os.memfd_create("work")
        opened.append(memory)
        os.truncate(memory, len(work))
        os.pwrite(memory, work, 0)
        pipes: list[tuple[int, int]] = []
        for _ in range(3):
            pipes.append(os.pipe())
            opened += pipes[-1]
        for read, _ in pipes:
            os.set_blocking(read, False)
        with contextlib.suppress(OSError):  # beyond the user's share of pipe memory, the default will do
            fcntl.fcntl(pipes[0][0], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        _close(opened)
        raise
    (voice_r, voice_w), (out_r, out_w), (err_r, err_w) = pipes
    return (voice_r, out_r, err_r), (memory, voice_w, out_w, err_w)


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
