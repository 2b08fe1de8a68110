"""Workers and control are forked from the supervisor, which has loaded all that they need.

A new interpreter takes most of a second to load it again; a fork serves after a tenth of that, and
shares the memory. It also runs the same program as the others, whatever an upgrade has put on the
disk meanwhile.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Protocol

from gateway.runtime import worker
from gateway.runtime.process import ProcessArguments

_LOADING_NICE = 10
_STANDARD = (0, 1, 2)
_ERRORS = 2
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Child(Protocol):
    """A process that was started, as asyncio's `Process` is one, too."""

    @property
    def pid(self) -> int:
        """Its id."""

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""

    def send_signal(self, signal: int) -> None:
        """Send it a signal."""

    async def wait(self) -> int:
        """Wait for its end; its return code."""


class Forked:
    """A forked process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def send_signal(self, signal: int) -> None:
        """Send it a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, signal)

    async def wait(self) -> int:
        """Wait for its end; its return code. Only one may wait."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        fd = os.pidfd_open(self.pid)
        loop.add_reader(fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)
        return self._reap()

    def _reap(self) -> int:
        _, status = os.waitpid(self.pid, 0)  # it has ended: this does not wait
        self.returncode = code = os.waitstatus_to_exitcode(status)
        return code


def start(arguments: ProcessArguments) -> Child:
    """A worker or control runs; raises OSError if there can be no further process."""
    main = worker.main if arguments.number else _control
    return Forked(fork(lambda: main(arguments), arguments.descriptors, arguments.name))


def fork(main: Callable[[], int], descriptors: Collection[int], name: str) -> int:
    """The id of a process that runs `main` and ends with its result.

    It has `descriptors` and the standard ones alone, no signal handlers, a process group of its
    own (Ctrl-C is for the supervisor, which passes it on in order), and shows as `name`.
    """
    # Its signals wait until it has settled: the supervisor's handlers would take them before, and
    # tell the supervisor.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    gc.freeze()  # so that the collector does not touch, and copy, what is shared
    try:
        pid = os.fork()
    except OSError:
        gc.unfreeze()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if pid:
        gc.unfreeze()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid
    code = 1
    try:
        _settle(descriptors, name)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 (the supervisor's own code must never go on in here)
        os.write(_ERRORS, traceback.format_exc().encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def _settle(descriptors: Collection[int], name: str) -> None:
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.setpgid(0, 0)
    kept = {*_STANDARD, *descriptors}
    for fd in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if fd not in kept:
            with contextlib.suppress(OSError):  # the one that the list was read by
                os.close(fd)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="ascii")


def _control(arguments: ProcessArguments) -> int:
    # Control alone needs a web server; loading it in the supervisor would keep the workers waiting.
    with ThreadPoolExecutor(1) as aside:
        control = aside.submit(_load_control).result()
    status: int = control.main(arguments)
    return status


def _load_control() -> ModuleType:
    """The module, loaded at the priority of a thread of its own: phones that come back go first.

    It takes most of a second of a CPU that workers need when all phones connect again.
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOADING_NICE)
    return importlib.import_module("gateway.runtime.control")
