"""What a dialogue asks of the connection that carries it."""

from typing import Protocol


class Connection(Protocol):
    """One connection of a device, beneath its dialogue."""

    def send(self, data: bytes) -> None:
        """Send plain text."""

    def hold(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether to take nothing more from the device for now."""

    def settle(self, hold: bool) -> None:  # noqa: FBT001 (on or off)
        """What the dialogue waits for may be another now; `hold` as in `hold`."""

    def finish(self) -> None:
        """End the connection once all is sent."""

    def cut(self) -> None:
        """End the connection; the device gets nothing more of what waits to be sent."""

    def abort(self) -> None:
        """End the connection now; the device sees that something is missing."""
