"""Requests on their way out, as the mail server is to get them."""

from dataclasses import dataclass


@dataclass(slots=True)
class Buffered:
    """What one worker holds of all requests that are read whole before they go on.

    Attributes:
        limit: bytes; a request that would make it more fails.
        held: bytes; those of a request count until it is answered, fails or is given up.
    """

    limit: int
    held: int = 0


@dataclass(slots=True)
class Outgoing:
    """A request as the mail server is to get it.

    Attributes:
        head: the request line and fields, without Host, framing and the empty line.
        length: the Content-Length; None where the request is chunked or has no body.
        retriable: repeating the request changes nothing (RFC 9110 section 9.2.2).
        client_keeps: the device wants its connection to stay.
        http_1_0: the device speaks HTTP/1.0, which has no chunks.
        is_activesync: it has no answers that send a device elsewhere by Location.
        is_head: no answer to it has a body (RFC 9110 section 9.3.2).
        began: when the request arrived, in `time.perf_counter` seconds.
    """

    head: bytes
    length: int | None
    retriable: bool
    client_keeps: bool
    http_1_0: bool
    began: float
    is_head: bool = False
    is_activesync: bool = False
