"""An answer of the mail server that the device gets in the gateway's words."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.core.decision import Deny
from gateway.core.headers import Header
from gateway.errors import UpstreamError
from gateway.proxy.local import LocalAnswer

_MOST_BYTES: Final = 128 * 1024
_HEAD_END = b"\r\n\r\n"


class Client(Protocol):
    """Whose request it is."""

    def response_fields(self, headers: list[Header]) -> list[Header]:
        """The fields of the mail server's answer that a device may see."""

    def reworded(self, outcome: LocalAnswer | Deny) -> None:
        """What the device gets."""

    def failed(self, error: UpstreamError, *, begun: bool) -> None:
        """There will be no answer."""

    def give_up(self) -> None:
        """End the exchange, of which nothing more is wanted."""


class Rewording:
    """In place of the device for an exchange, whose whole answer it keeps, to a limit."""

    def __init__(self, client: Client, reword: Callable[[int, bytes], LocalAnswer | Deny]) -> None:
        self._client = client
        self._reword = reword
        self._received = bytearray()
        self._over = False

    def send(self, data: bytes) -> None:
        """Keep a part of the answer."""
        if self._over:
            return
        self._received += data
        if len(self._received) > _MOST_BYTES:
            self._over = True
            self._client.give_up()
            error = UpstreamError(f"the answer is larger than {_MOST_BYTES} bytes")
            self._client.failed(error, begun=False)

    def response_fields(self, headers: list[Header]) -> list[Header]:
        """The usual ones: what is made of a head here is remembered for devices, too."""
        return self._client.response_fields(headers)

    def take_no_more(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """The request is small, and is all there."""

    def answered(self, status: int, *, keep: bool, latency: float) -> None:  # noqa: ARG002 (the device's own)
        """Say it in other words."""
        if not self._over:
            body = bytes(self._received).partition(_HEAD_END)[2]
            self._client.reworded(self._reword(status, body))

    def redirected(self, headers: Sequence[Header]) -> None:  # noqa: ARG002 (none is followed)
        """Only ActiveSync has redirects of this kind."""
        self._client.failed(UpstreamError("the mail server answered 451"), begun=False)

    def failed(self, error: UpstreamError, *, begun: bool) -> None:  # noqa: ARG002 (the device has nothing)
        """There is nothing to be said."""
        self._client.failed(error, begun=False)
