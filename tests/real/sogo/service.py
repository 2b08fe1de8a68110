"""A background process that outlives the command which started it, found again by its pid file."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.real.sogo.bed import HOST

START_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
LOG_TAIL = 2000  # characters of a log that an error shows


@dataclass(frozen=True, kw_only=True)
class Service:
    """How a daemon runs in the foreground, and the port by which it shows that it is up."""

    name: str
    command: tuple[str, ...]
    port: int
    folder: Path
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Holds process id and start time, which together never name another process."""
        return self.folder / f"{self.name}.pid"

    def start(self) -> None:
        """The service runs and accepts connections; one that runs already is left as it is.

        Raises:
            RuntimeError: something else has its port, it ended, or its port stayed closed for
                START_SECONDS.
        """
        if self.running_pid() is not None:
            return
        if _accepts(self.port):
            raise RuntimeError(f"port {self.port}, meant for {self.name}, is taken")
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | self.environment,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
            )
        self.pid_file.write_text(f"{process.pid} {_start_time(process.pid)}", encoding="ascii")
        if not _await(lambda: process.poll() is not None or _accepts(self.port), START_SECONDS):
            raise RuntimeError(f"{self.name} does not answer on port {self.port}:\n{self._tail()}")
        if process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {process.returncode}:\n{self._tail()}")

    def stop(self) -> None:
        """The service and what it started are gone; one that does not run is no error."""
        pid = self.running_pid()
        if pid is not None:
            children = _children(pid)  # each may have a session of its own, and forget whose it was
            os.kill(pid, self.stop_signal)
            if not _await(lambda: self.running_pid() is None, STOP_SECONDS):
                _kill(pid)
            for child, started in children.items():
                if _start_time(child) == started:
                    _kill(child)
        self.pid_file.unlink(missing_ok=True)

    def running_pid(self) -> int | None:
        """The process id while the process of the pid file lives, else None."""
        try:
            pid, started = self.pid_file.read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def _tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _start_time(pid: int) -> str | None:
    """Clock ticks from boot to the start of a living process; a zombie has none (proc(5))."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else fields[19]


def _children(parent: int) -> dict[int, str]:
    """Process id and start time of the living processes that `parent` started."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = [pid for pid in pids if (fields := _stat(pid)) and fields[1] == str(parent)]
    return {pid: started for pid in found if (started := _start_time(pid)) is not None}


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from its third, the state, on; None without such a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return met
