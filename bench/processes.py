"""Child processes of the comparison, and what the kernel says they cost."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

START_SECONDS = 30.0
_PROC = Path("/proc")
_MANY_FILES = 65536


class BenchError(Exception):
    """The comparison cannot be made; the text says what to look at."""


@contextlib.contextmanager
def running(
    command: Sequence[str], *, log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` with both outputs in `log`, and end it and its children with the block."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, cwd=cwd, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    family = [process.pid, *descendants(process.pid)]
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(10)


def run(command: Sequence[str], *, cwd: Path) -> None:
    """Run `command` to its end.

    Raises:
        BenchError: it failed; the text has its output.
    """
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once `ready()` is true.

    Raises:
        BenchError: the process ended first, or half a minute passed.
    """
    end = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}; see {log}")
        if time.monotonic() > end:
            raise BenchError(f"{process.args!r} was not ready in {START_SECONDS:.0f} s; see {log}")
        time.sleep(0.05)


def accepts(port: int) -> bool:
    """Whether something listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether the URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    found: list[int] = []
    for task in sorted((_PROC / str(pid) / "task").glob("*")):
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def command_line(pid: int) -> str:
    """The arguments that a process was started with, or the title that it gave itself."""
    return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def cpu_ns(pids: Sequence[int]) -> int:
    """CPU nanoseconds, user and system, that the processes have used with all their threads.

    Read from each process's CPU clock, which counts ended threads too; the id of another process's
    clock is made as clock_getcpuclockid(3) makes it.

    Raises:
        BenchError: one of them is gone.
    """
    try:
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)
    except OSError as error:
        raise BenchError("a process of the server ended during the measurement") from error


def foreign_cpu_seconds() -> float:
    """CPU seconds used since boot by all but this process and its children that have ended."""
    user, nice, system = (int(text) for text in Path("/proc/stat").read_text().split()[1:4])
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - mine


def memory_kib(pids: Sequence[int]) -> int:
    """KiB of memory that the processes hold, pages shared by several counted in parts (PSS)."""
    total = 0
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def allow_open_files(count: int) -> None:
    """Let this process and its children open as many files as the hard limit allows.

    Raises:
        BenchError: that is less than `count`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _MANY_FILES if hard == resource.RLIM_INFINITY else min(hard, _MANY_FILES)
    if allowed < count:
        raise BenchError(f"{count} open files are needed, the limit is {hard}: hold fewer Pings")
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def leave_a_cpu() -> int | None:
    """Keep this process and its children off one CPU, the value; None if there is one only."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        return None
    os.sched_setaffinity(0, cpus[1:])
    return cpus[0]


def move(pid: int, cpu: int | None) -> None:
    """Run all threads of a process on `cpu`; None leaves them where they are."""
    if cpu is not None:
        for task in (_PROC / str(pid) / "task").glob("*"):
            os.sched_setaffinity(int(task.name), {cpu})
