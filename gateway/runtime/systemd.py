"""What systemd and its services say to each other: sd_notify(3), sd_listen_fds(3)."""

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final, Self

from gateway.errors import ConfigError

_FIRST_FD: Final = 3  # SD_LISTEN_FDS_START
_MICROSECONDS: Final = 1_000_000


class Notifier:
    """The datagram socket of the service manager; without one nothing is said.

    Attributes:
        watchdog_seconds: the manager acts when it hears nothing for so long; None: it does not.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """As NOTIFY_SOCKET and WATCHDOG_USEC say, which no child is to find any more."""
        address = environment.pop("NOTIFY_SOCKET", None)
        microseconds = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "") or str(os.getpid())
        ours = microseconds.isdecimal() and int(microseconds) > 0 and pid == str(os.getpid())
        return cls(address, int(microseconds) / _MICROSECONDS if ours else None)

    def ready(self, status: str) -> None:
        """The gateway serves, after its start or after a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; `ready` tells its end, whether it succeeded or not."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1", "STATUS=draining")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Say no more."""
        self._socket.close()

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # "@" stands for the NUL byte of a name that is in no file system.
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        data = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            self._socket.sendto(data.encode(), name)
        except OSError:
            return  # a manager that does not listen must not be the end of the service


def listening_sockets(
    environment: MutableMapping[str, str] = os.environ,
) -> dict[str, socket.socket]:
    """The sockets that the service manager passed, by name; empty if it passed none.

    Raises ConfigError if one has no name, or does not listen.
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    found = {}
    for position in range(int(count)):
        fd = _FIRST_FD + position
        name = names[position] if position < len(names) else ""
        os.set_inheritable(fd, False)
        found[name] = socket.socket(fileno=fd)
    for name, one in found.items():
        _require_listening(name, one)
    return found


def _require_listening(name: str, one: socket.socket) -> None:
    if name not in {"phones", "admin"}:
        raise ConfigError(
            f'a socket of the service manager is called "{name}": write FileDescriptorName=phones, '
            "or admin, in its [Socket] section"
        )
    stream = one.type == socket.SOCK_STREAM
    if not stream or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise ConfigError(f"the socket {name} of the service manager does not listen for TCP")
