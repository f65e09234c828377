"""The executor's handle on one workflow's process.

What it says is read as it comes, by the event loop and without a thread.  When the kernel says that it has
ended (a pidfd), three things follow in this order: the fork server kills what is left of its process group
and tells the exit status; everything that is still in the pipes is read, the private one to its end; only
then is judged how it ended.  Signals go through the pidfd, so they can never hit another process that was
given the same number.
"""

import asyncio
import contextlib
import errno
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from lastword.child.output import LineSplitter, Outbox
from lastword.child.protocol import (
    Described,
    Description,
    Ended,
    Message,
    Progressed,
    Said,
    Spoken,
    Started,
    Waiting,
)
from lastword.child.protocol import (
    Final as LastWord,
)
from lastword.child.server import ExitStatus, Forked, ForkServer
from lastword.contracts.events import Progress, Usage

__all__ = ["Child"]

READ_BYTES: Final = 65_536
"""One read: what a pipe holds by default."""
WINDOW_S: Final = 0.05
WINDOW_BYTES: Final = 4 * 1024 * 1024
"""What is read of one process's output in one window; one that prints more is made to wait. 80 MB/s cost
about a tenth of a core here, and leave the loop free in between."""
LINE_SLACK: Final = 1024 * 1024
"""What the last word may hold besides its result: warnings, usage and progress are bounded far below."""
PIDFD_SIGNAL_PROCESS_GROUP: Final = 1 << 2
"""Since Linux 6.9: the signal goes to the process group, found by the pidfd and not by a number."""

_decode: Final = msgspec.json.Decoder(Spoken).decode


class Child:
    """One workflow's process. Made by `ChildPool.spawn`, on the event loop that it stays with."""

    def __init__(self, workflow_id: str, server: ForkServer, forked: Forked, max_result_bytes: int) -> None:
        self.workflow_id: Final = workflow_id
        self.pid: Final = forked.pid
        self.started: Started | None = None
        """Set once the target is loaded."""
        self.progress: Progress | None = None
        self.usage: Usage | None = None
        self.waiting_for: str | None = None
        self.last_heard_at_s = time.monotonic()
        """When it last said anything at all, on the monotonic clock."""
        self.description: Description | None = None
        """The answer of a process that was only asked what its target is."""
        self._server = server
        self._forked = forked
        self._loop = asyncio.get_running_loop()
        self._outbox = Outbox()
        self._final: LastWord | None = None
        self._line = bytearray()
        self._line_limit = max_result_bytes + LINE_SLACK
        self._overlong = False
        self._window_at_s = 0.0
        self._window_bytes = 0
        self._exited_at: datetime | None = None
        self._exited_at_s = 0.0
        self._ended: asyncio.Future[Ended] = self._loop.create_future()
        self._splitters = {
            forked.out: LineSplitter("stdout", self._outbox),
            forked.err: LineSplitter("stderr", self._outbox),
        }
        self._loop.add_reader(forked.pidfd, self._note_exit)
        self._loop.add_reader(forked.voice, self._read_voice)
        self._resume_output()
        forked.status.add_done_callback(self._conclude)

    @property
    def alive(self) -> bool:
        """Whether the kernel has not yet said that the process has ended."""
        return self._exited_at is None

    def messages(self) -> AsyncIterator[Message]:
        """Iterate over what the process says and prints, until it has ended and all is read. Only once."""
        return self._outbox.messages()

    async def ended(self) -> Ended:
        """Wait until the process has ended, everything it wrote is read and its group is killed."""
        return await asyncio.shield(self._ended)

    def on_end(self, call: "Callable[[Child], object]") -> None:
        """Call `call` with this child once it has ended."""
        self._ended.add_done_callback(lambda _: call(self))

    def kill(self) -> None:
        """Send SIGKILL to the process and all of its group."""
        self._signal_group(signal.SIGKILL)

    async def cancel(self, grace_s: float) -> Ended:
        """End the process, politely first, and return how it ended.

        A crew or flow is asked (SIGUSR1) and stops before its next step or model call; after `grace_s` the
        group gets SIGTERM, and after `grace_s` more SIGKILL.  A function knows no request, so it gets
        SIGTERM at once.
        """
        if self.started is not None and self.started.heeds_cancel:
            self._signal(signal.SIGUSR1)
            if await self._ends_within(grace_s):
                return self._ended.result()
        self._signal_group(signal.SIGTERM)
        if not await self._ends_within(grace_s):
            self.kill()
        return await self.ended()

    async def _ends_within(self, seconds: float) -> bool:
        done, _ = await asyncio.wait({self._ended}, timeout=seconds)
        return bool(done)

    def _signal(self, number: signal.Signals, flags: int = 0) -> None:
        if not self._ended.done():  # after it the pidfd is closed
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._forked.pidfd, number, None, flags)

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            self._signal(number, PIDFD_SIGNAL_PROCESS_GROUP)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # An older kernel. The number is still this process's own: it is released after its end only.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
        if number is signal.SIGKILL or not self._has_group():
            self._signal(number)  # it may not have got as far as making its group

    def _has_group(self) -> bool:
        try:
            return os.getpgid(self.pid) == self.pid
        except ProcessLookupError:
            return True

    def _read_voice(self) -> None:
        self._read(self._forked.voice, self._hear)

    def _read_output(self, fd: int) -> None:
        now = time.monotonic()
        if now - self._window_at_s > WINDOW_S:
            self._window_at_s, self._window_bytes = now, 0
        self._window_bytes += self._read(fd, self._splitters[fd].feed)
        if self._window_bytes > WINDOW_BYTES:
            for one in self._splitters:
                self._loop.remove_reader(one)
            self._loop.call_later(WINDOW_S, self._resume_output)

    def _resume_output(self) -> None:
        if not self._ended.done():
            for fd in self._splitters:
                self._loop.add_reader(fd, self._read_output, fd)

    def _read(self, fd: int, feed: Callable[[bytes], None]) -> int:
        """Read once; return how many bytes there were, 0 where there is nothing, now or ever."""
        try:
            data = os.read(fd, READ_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self._loop.remove_reader(fd)  # everyone has closed the other end
            return 0
        self.last_heard_at_s = time.monotonic()
        feed(data)
        return len(data)

    def _hear(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._overlong:
                self._overlong = False
            else:
                self._line += line
                self._understand(bytes(self._line))
            self._line.clear()
        self._line += rest
        if len(self._line) > self._line_limit:
            self._line.clear()
            if not self._overlong:
                self._complain("a message is longer than allowed, and was left out")
            self._overlong = True

    def _understand(self, line: bytes) -> None:
        try:
            said = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._complain(f"a message could not be read: {error}")
            return
        match said:
            case Said():
                at = datetime.fromtimestamp(said.at, UTC)
                self._outbox.put_line("lastword", said.text, at)
                return
            case Progressed():
                self.progress, self.usage = said.progress, said.usage
            case Waiting():
                self.waiting_for = said.waiting_for
            case Started():
                self.started = said
            case Described():
                self.description = said.description
                return
            case _:
                self._final = self._final or said
                return
        self._outbox.put(said)

    def _complain(self, text: str) -> None:
        self._outbox.put_line("lastword", text, datetime.now(UTC))

    def _note_exit(self) -> None:
        self._exited_at = datetime.now(UTC)
        self._exited_at_s = time.monotonic()
        self._loop.remove_reader(self._forked.pidfd)
        self._conclude(self._forked.status)

    def _conclude(self, status: "asyncio.Future[ExitStatus | None]") -> None:
        """Finish once both the pidfd and the fork server have spoken, in whichever order."""
        if self._exited_at is not None and status.done() and not self._ended.done():
            self._finish(status.result())

    def _finish(self, status: ExitStatus | None) -> None:
        """Read what is left, close everything and judge how it ended. Once."""
        if status is None:  # the server died: nobody else has killed what the work's tools had started
            self._signal_group(signal.SIGKILL)
        while self._read(self._forked.voice, self._hear):
            pass
        for fd, splitter in self._splitters.items():
            # What got out of the group may still be writing, so this end is not waited for.
            for _ in range(64):
                if not self._read(fd, splitter.feed):
                    break
            splitter.finish()
        ended = self._judge(status)
        for fd in (self._forked.voice, *self._splitters):
            self._loop.remove_reader(fd)
            os.close(fd)
        os.close(self._forked.pidfd)
        self._ended.set_result(ended)
        self._server.release(self._forked.number)
        self._outbox.close()

    def _judge(self, status: ExitStatus | None) -> Ended:
        final = self._final
        note = None
        if status is None:
            status = ExitStatus(signal.SIGKILL, signalled=True)
            note = "the process was ended by SIGKILL, because its fork server had died"
        return Ended(
            finished_at=self._exited_at or datetime.now(UTC),
            ended_at_s=self._exited_at_s,
            exit_code=None if status.signalled else status.number,
            signal=_signal_name(status.number) if status.signalled else None,
            final=final,
            last_lines=self._outbox.last_lines,
            progress=(final.progress if final is not None else None) or self.progress,
            usage=(final.usage if final is not None else None) or self.usage,
            warnings=final.warnings if final is not None else (),
            note=note,
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
