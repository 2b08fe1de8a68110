"""The bytes of the measured exchange: a small EAS Ping and its answer, and a Ping that is held.

WBXML bodies as MS-ASWBXML section 2.1.2.1.14 (code page 13, Ping): thirteen bytes each way.
"""

HELD_DEVICE = "BENCHHELD"
"""How the DeviceId of a device begins whose Ping the upstream holds."""

_WBXML_PING_PAGE = bytes.fromhex("03016a00000d")
_PING, _STATUS, _HEARTBEAT_INTERVAL = b"\x45", b"\x47", b"\x48"


def _body(element: bytes, text: bytes) -> bytes:
    return _WBXML_PING_PAGE + _PING + element + b"\x03" + text + b"\x00\x01\x01"


def request(port: int, *, device: str, mailbox: str, command: str = "Ping") -> bytes:
    """A whole Ping request, as a phone of the mailbox sends it to the server at `port`.

    Another `command` changes its name alone.
    """
    body = _body(_HEARTBEAT_INTERVAL, b"9")
    return post(port, device=device, mailbox=mailbox, command=command, body=body)


def post(port: int, *, device: str, mailbox: str, command: str, body: bytes) -> bytes:
    """A whole request with that body, as a phone of the mailbox sends it to that port."""
    head = (
        f"POST /Microsoft-Server-ActiveSync?Cmd={command}&User={mailbox}&DeviceId={device}"
        "&DeviceType=Bench HTTP/1.1\r\n"
        f"Host: localhost:{port}\r\n"
        "User-Agent: Bench/1.0\r\n"
        "MS-ASProtocolVersion: 14.1\r\n"
        "X-MS-PolicyKey: 1307199584\r\n"
        "Content-Type: application/vnd.ms-sync.wbxml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def response() -> bytes:
    """The upstream's whole answer: status 1 (the heartbeat ended without a change)."""
    return answer(_body(_STATUS, b"1"))


def answer(body: bytes) -> bytes:
    """A whole answer of the mail server's with that body."""
    head = (
        "HTTP/1.1 200 OK\r\n"
        "Cache-Control: private\r\n"
        "Content-Type: application/vnd.ms-sync.wbxml\r\n"
        "MS-Server-ActiveSync: 15.2\r\n"
        "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
