"""The server name of a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), before OpenSSL.

OpenSSL takes a session ticket before it tells the server name, so that who binds tickets to names
has to know the name first.
"""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME = 0
_SESSION_TICKET = 35
_PRE_SHARED_KEY = 41
_HOST_NAME = 0
_RECORD_HEADER = 5
_LARGEST_RECORD = 16384
_SESSION_ID = _RECORD_HEADER + 4 + 34  # behind the message's header, the version and the random


def first_record(data: bytes) -> bool:
    """Whether `data` begins with a whole TLS record, or with what is none at all."""
    if not data:
        return False
    if data[0] != _HANDSHAKE:
        return True
    if len(data) < _RECORD_HEADER:
        return False
    length = _short(data, 3)
    return length > _LARGEST_RECORD or len(data) >= _RECORD_HEADER + length


def server_name(data: bytes) -> str | None:
    """The lower-case host name that the ClientHello in the first record of `data` asks for.

    None where it names none, or is no ClientHello in one record.
    """
    try:
        return _host_name(_extension(data, _SERVER_NAME) or b"")
    except (IndexError, ValueError):
        return None


def offers_ticket(data: bytes) -> bool:
    """Whether the ClientHello in the first record of `data` shows a ticket of an earlier session.

    That is a session_ticket extension with content (RFC 5077 section 3.2), or pre_shared_key
    (RFC 8446 section 4.2.11). Whether the ticket is any good, the handshake will tell.
    """
    try:
        ticket = _extension(data, _SESSION_TICKET)
        return bool(ticket) or _extension(data, _PRE_SHARED_KEY) is not None
    except IndexError:
        return False


def _extension(data: bytes, wanted: int) -> bytes | None:
    """The content of the first extension of that number, None if there is none.

    Raises IndexError where a length does not fit the record.
    """
    end = _RECORD_HEADER + _short(data, 3)
    if data[0] != _HANDSHAKE or data[5] != _CLIENT_HELLO or len(data) < end:
        return None
    if int.from_bytes(data[6:9]) != end - _RECORD_HEADER - 4:
        return None  # it goes on in another record
    at = _SESSION_ID
    at += 1 + data[at]
    at += 2 + _short(data, at)  # cipher_suites
    at += 1 + data[at]  # legacy_compression_methods
    at += 2
    while at + 4 <= end:
        following = at + 4 + _short(data, at + 2)
        if _short(data, at) == wanted:
            return data[at + 4 : following] if following <= end else None
        at = following
    return None


def _host_name(names: bytes) -> str | None:
    """The first host name of a ServerNameList; there is no other kind of name."""
    if not names or names[2] != _HOST_NAME:
        return None
    size = _short(names, 3)
    if _short(names, 0) != size + 3 or len(names) != size + 5:
        return None
    return names[5:].decode("ascii").lower()


def _short(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
