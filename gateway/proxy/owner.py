"""What the request that is under way asks of the dialogue that it is a part of."""

from typing import Protocol


class Owner(Protocol):
    """What a turn asks of the dialogue that it is one of."""

    last: bool  # the connection ends with the answer that is owed

    @property
    def reads_ahead(self) -> bool:
        """Whether more of what the device sent is there already."""

    def filled(self) -> None:
        """`full` of the turn is another one."""

    def answered(self, *, keep: bool) -> None:
        """The whole answer of the mail server is sent."""

    def go_on(self) -> None:
        """There is an answer, though not by the mail server."""

    def end(self) -> None:
        """The connection ends once all is sent."""

    def abort(self) -> None:
        """The connection ends now; the device sees that something is missing."""

    def cut(self) -> None:
        """The connection ends; the device gets nothing more."""
