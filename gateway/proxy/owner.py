"""What the request that is under way asks of the dialogue that it is a part of."""

from typing import Final, Protocol


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


class _Nobody:
    """As `Owner`, of a turn whose device is gone."""

    last = True
    reads_ahead = False

    def filled(self) -> None:
        """Nothing more comes."""

    def answered(self, *, keep: bool) -> None:
        """Nobody waits for it."""

    go_on = end = abort = cut = filled


NOBODY: Final = _Nobody()
"""In place of the dialogue once the device is gone: two that name each other would stay in memory
until the garbage collector looks at what is old, which it hardly ever does."""
