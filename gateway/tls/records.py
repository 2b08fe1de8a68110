"""Where TLS records end in a stream of bytes."""

_HEADER = 5  # type, version, length (RFC 8446 section 5.1)


class RecordBoundary:
    """Follows record lengths, so that a reader knows whether a record is still incomplete.

    Knowing it spares OpenSSL one vain read for each piece received.
    """

    __slots__ = ("_head", "_missing")

    def __init__(self) -> None:
        self._missing = 0
        self._head = b""

    def feed(self, data: bytes) -> int:
        """How many records end within `data`; zero means that there is nothing to read yet."""
        if (
            not self._missing
            and not self._head
            and len(data) > _HEADER
            and len(data) == _HEADER + (data[3] << 8 | data[4])
        ):
            return 1
        return self._walk(data)

    def _walk(self, data: bytes) -> int:
        ended, position, size = 0, 0, len(data)
        while position < size:
            if self._missing:
                step = min(self._missing, size - position)
                position += step
                self._missing -= step
                ended += not self._missing
                continue
            take = min(_HEADER - len(self._head), size - position)
            self._head += data[position : position + take]
            position += take
            if len(self._head) == _HEADER:
                self._missing = self._head[3] << 8 | self._head[4]
                self._head = b""
                ended += not self._missing
        return ended
