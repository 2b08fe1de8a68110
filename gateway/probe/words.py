"""Text from elsewhere, made fit for a sentence on a terminal and in a report."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from gateway.core.unreadable import UNREADABLE

_LONGEST: Final = 200
_MOST_LISTED: Final = 6


def printable(text: str, longest: int = _LONGEST) -> str:
    """`text` on one line, cut, and harmless to a terminal."""
    cut = text if len(text) <= longest else f"{text[:longest]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def listed(words: Iterable[str]) -> str:
    """The first few, with how many more there are."""
    found = [printable(one) for one in words]
    more = len(found) - _MOST_LISTED
    text = ", ".join(found[:_MOST_LISTED])
    return f"{text} and {more} more" if more > 0 else text


def moment(at: datetime) -> str:
    """ISO 8601 to the second, with Z for UTC."""
    return at.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def place(location: str) -> str:
    """A URL without query and fragment, which may hold tokens."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an address that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return printable(f"{parts.scheme}://{host}{parts.path}" if host else parts.path or location)


def name_of(certificate: x509.Certificate) -> str:
    """The subject, or the serial number where that is empty or cannot be read."""
    try:
        subject = certificate.subject.rfc4514_string()
    except UNREADABLE:
        subject = ""
    return printable(subject) or f"serial {certificate.serial_number:x}"


def issuer_of(certificate: x509.Certificate) -> str:
    """The issuer's name."""
    try:
        return printable(certificate.issuer.rfc4514_string())
    except UNREADABLE:
        return "a name that cannot be read"
