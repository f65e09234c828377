"""The fork server: imports once what is slow to import, then forks a process for each workflow.

Python's own `multiprocessing` has one, which was not taken: each of its children imports the parent's
`__main__` again (here: the whole command line), there is one per process with one environment, a child's
number can be reused before anyone holds a pidfd for it, and starting blocks the caller.  This one is a
loop over a socket with datagrams of JSON and file descriptors.

==================  ========================================  =====================================
from the executor   `{"fork": n}` + work, voice, out, err     start a process
                    `{"release": n}`                          its number may be reused from now on
from the server     `{"ready": pid, ...}`                     everything is imported
                    `{"forked": n, "pid": p}` + pidfd         it runs
                    `{"refused": n, "why": text}`             it does not
                    `{"ended": n, "status": s, "signal": b}`  it ended; its process group is killed
==================  ========================================  =====================================

A dead process is kept as a zombie until it is released, so its number and that of its group stay its own
while anyone may still signal them.  Programs that outlive the process which started them become this
server's children (it is their subreaper), so that they leave no zombies where init does not care.  When the
executor's end of the socket closes (it was killed, perhaps) every process group is killed.  When this server
is killed, its processes die by PR_SET_PDEATHSIG.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from lastword.child.inside.process import adopt_orphans, children, give_memory_back, live

__all__ = ["serve"]


def serve(control: socket.socket, *, preload: Sequence[str], forget: Sequence[str]) -> NoReturn:
    """Import `preload`, forget the variables `forget`, and serve until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is the executor's to handle
    adopt_orphans()
    failures = [failure for failure in map(_try_import, preload) if failure]
    for name in forget:
        os.environ.pop(name, None)
    gc.collect()
    give_memory_back()
    gc.freeze()  # what was imported is never collected, so its pages stay shared with the processes
    ready = {"ready": os.getpid(), "failures": failures, "threads": threading.active_count()}
    control.send(json.dumps(ready).encode())
    _ForkServer(control).run()


def _try_import(name: str) -> str:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001  any code may run here; the process that needs it says what is wrong
        return f"{name}: {type(error).__name__}: {error}"[:1000]
    return ""


class _ForkServer:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._numbers: dict[int, int] = {}  # of the request, by pid
        self._ended: dict[int, int] = {}  # pid by number of the request: zombies until they are released
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake)

    def run(self) -> NoReturn:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
                self._tell_who_ended()
            if self._control.fileno() in ready:
                data, fds, _, _ = socket.recv_fds(self._control, 4096, 8, socket.MSG_CMSG_CLOEXEC)
                if not data:
                    self._end_all()
                self._obey(json.loads(data), fds)

    def _obey(self, request: dict[str, Any], fds: list[int]) -> None:
        if "fork" in request:
            try:
                self._fork(request["fork"], fds)
            finally:
                for fd in fds:
                    os.close(fd)
        else:
            pid = self._ended.pop(request["release"], None)
            if pid is not None:
                os.waitpid(pid, 0)

    def _fork(self, number: int, fds: list[int]) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._say({"refused": number, "why": f"fork: {error.strerror}"})
            return
        if pid == 0:
            self._become_child(server, fds)
        self._numbers[pid] = number
        pidfd = os.pidfd_open(pid)  # cannot be another's: only this process reaps
        try:
            socket.send_fds(self._control, [json.dumps({"forked": number, "pid": pid}).encode()], [pidfd])
        except OSError:
            self._end_all()
        finally:
            os.close(pidfd)

    def _become_child(self, server: int, fds: list[int]) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for fd in (self._wake_read, self._wake_write):
                os.close(fd)
            self._control.close()
            live(server, *fds)
        finally:  # whatever happens, a child never becomes a second server
            os._exit(70)

    def _tell_who_ended(self) -> None:
        for pid, number in list(self._numbers.items()):
            info = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None:
                continue
            _kill_group(pid)
            del self._numbers[pid]
            self._ended[number] = pid
            self._say({"ended": number, "status": info.si_status, "signal": info.si_code != os.CLD_EXITED})
        self._bury_orphans()

    def _bury_orphans(self) -> None:
        known = {*self._numbers, *self._ended.values()}
        for pid in children():
            if pid not in known:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:  # nobody is there any more
            self._end_all()

    def _end_all(self) -> NoReturn:
        for pid in self._numbers:
            _kill_group(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # it may not have got as far as having a group
        sys.stdout.flush()
        os._exit(0)


def _wake(_number: int, _frame: object) -> None:
    """Do nothing: having a handler at all is what makes the signal write to the wake-up descriptor."""


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
