"""Listening sockets: opened once, by the supervisor, before anything else starts."""

import errno
import os
import socket
from ipaddress import ip_address
from typing import Final

from gateway.errors import ConfigError

_SENTENCES: Final = {
    errno.EADDRINUSE: "the port is in use; end what listens there, or change {section}.port",
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; grant it, or change {section}.port",
    errno.EADDRNOTAVAIL: "this machine does not have the address; change {section}.address",
}


def listen(address: str, port: int, *, backlog: int, section: str) -> socket.socket:
    """A socket that listens on `address`; "::" takes IPv4, too, where the system can.

    `section` is the table of config.toml that `address` and `port` come from. Raises ConfigError,
    naming the key to change.
    """
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET  # noqa: PLR2004 (IPv6)
    both = address == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (address, port), family=family, backlog=backlog, dualstack_ipv6=both
        )
    except OSError as error:
        number = error.errno or 0
        sentence = _SENTENCES.get(number, os.strerror(number)).format(section=section)
        place = f"{section}.address and {section}.port: cannot listen on {address} port {port}"
        raise ConfigError(f"{place}: {sentence}") from error
