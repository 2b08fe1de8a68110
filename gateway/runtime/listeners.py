"""The two listening sockets, from the service manager or opened here."""

import contextlib
import socket
from dataclasses import dataclass

from gateway.config import Config
from gateway.runtime import sockets, systemd


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The two listening sockets."""

    phones: socket.socket
    admin: socket.socket

    @classmethod
    def open(cls, config: Config) -> "Listeners":
        """Listen for phones and for operations; raises ConfigError naming the key to change.

        A socket that the service manager passed under that name is taken as it is.
        """
        passed = systemd.listening_sockets()
        with contextlib.ExitStack() as undo:
            phones = passed.get("phones") or _phones(config)
            undo.callback(phones.close)
            operations = passed.get("admin") or _admin(config)
            undo.pop_all()
        return cls(phones=phones, admin=operations)

    def close(self) -> None:
        """Close both."""
        self.phones.close()
        self.admin.close()


def _phones(config: Config) -> socket.socket:
    listen = config.listen
    return sockets.listen(listen.address, listen.port, backlog=listen.backlog, section="listen")


def _admin(config: Config) -> socket.socket:
    return sockets.listen(config.admin.address, config.admin.port, backlog=128, section="admin")
