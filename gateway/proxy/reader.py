"""The requests of one connection out of its bytes; those seen before, unparsed."""

from gateway.config_limits import Limits
from gateway.proxy.messages import END, RequestEvent, RequestHead, RequestParser
from gateway.proxy.repeats import RepeatedHeads

_KNOWN_HEADS = 4
"""Ping, Sync and FolderSync of one phone; each costs its connection about 2 KB."""


class RequestReader:
    """Reads one connection.

    `repeated` and then `first` get what comes when no request is under way, `more` everything else.
    """

    __slots__ = ("_parser", "_repeats")

    def __init__(self, limits: Limits) -> None:
        self._parser = RequestParser(
            header_bytes=limits.header_bytes, header_count=limits.header_count
        )
        self._repeats: RepeatedHeads[RequestHead] = RepeatedHeads(_KNOWN_HEADS)

    @property
    def in_head(self) -> bool:
        """Whether the head of a request is still coming."""
        return self._parser.in_head

    def repeated(self, data: bytes) -> tuple[RequestHead, bytes] | None:
        """The head and the body, if `data` is one whole request whose head was there before."""
        found = self._repeats.find(data)
        if found is not None:
            found[0].content_length = len(found[1])
        return found

    def first(self, data: bytes) -> list[RequestEvent]:
        """What `data` means, in which a request begins."""
        events = self._parser.feed(data)
        if events and events[-1][0] == END:
            head: RequestHead = events[0][1]  # type: ignore[assignment]  # a request begins with it
            if head.plain:
                self._repeats.remember(head, data)
        return events

    def more(self, data: bytes) -> list[RequestEvent]:
        """What `data` means, which continues what came before."""
        return self._parser.feed(data)
