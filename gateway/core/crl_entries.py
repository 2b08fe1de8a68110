"""The entries of a CRL as sorted tables: (issuer, serial number) -> reason and date.

Decides what revokedCertificates says (RFC 5280 section 5.3); is not told whether the CRL is to be
believed. A table holds the serial numbers of one issuer and one length, fixed-width and sorted, so
that it can be searched where it lies, in memory or in a mapped file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from gateway.core import crl_der as der
from gateway.errors import CrlError

DATE_WIDTH = 7  # YYYYMMDDhhmmss, two digits an octet
TAIL_WIDTH = DATE_WIDTH + 1  # the date and the reason
NO_REASON = 0xFF


class CrlReason(IntEnum):
    """CRLReason (RFC 5280 section 5.3.1)."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    REMOVE_FROM_CRL = 8
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10

    @property
    def text(self) -> str:
        """The name that RFC 5280 gives it."""
        first, *rest = self.name.lower().split("_")
        first = {"ca": "cA", "aa": "aA"}.get(first, first)
        return first + "".join("CRL" if word == "crl" else word.capitalize() for word in rest)


class RevokedEntry(NamedTuple):
    """What a CRL says of one certificate.

    `reason` is None where the CRL gives none, `revocation_date` is UTC.
    """

    reason: CrlReason | None
    revocation_date: datetime


@dataclass(frozen=True, slots=True)
class SerialTable:
    """The entries of one issuer whose serial numbers are `serial_width` octets long.

    Attributes:
        issuer: the certificates' issuer as `canonical_name`.
        serial_width: octets of each serial number, as the shortest DER INTEGER.
        records: serial number, date and reason of each, sorted; bytes or mapped memory.
    """

    issuer: bytes
    serial_width: int
    records: bytes | memoryview

    def __len__(self) -> int:
        """How many entries the table holds."""
        return len(self.records) // (self.serial_width + TAIL_WIDTH)

    def find(self, serial: bytes) -> Iterator[RevokedEntry]:
        """The entries of `serial`; more than one only if the CRL lists it more than once."""
        width = self.serial_width
        stride, low, high = width + TAIL_WIDTH, 0, len(self)
        records = self.records
        while low < high:
            middle = (low + high) // 2
            if bytes(records[middle * stride : middle * stride + width]) < serial:
                low = middle + 1
            else:
                high = middle
        start = low * stride
        while bytes(records[start : start + width]) == serial:
            yield _entry(records, start + width)
            start += stride

    def reasons(self) -> bytes:
        """The reason of every entry, an octet each."""
        stride = self.serial_width + TAIL_WIDTH
        return bytes(self.records[stride - 1 :: stride])

    def __iter__(self) -> Iterator[tuple[int, RevokedEntry]]:
        """Every serial number with its entry, in the table's order."""
        width = self.serial_width
        for start in range(0, len(self.records), width + TAIL_WIDTH):
            serial = int.from_bytes(self.records[start : start + width], signed=True)
            yield serial, _entry(self.records, start + width)


@dataclass(frozen=True, slots=True)
class RevokedEntries:
    """All entries of one CRL."""

    tables: tuple[SerialTable, ...]

    def __len__(self) -> int:
        """How many entries the CRL has."""
        return sum(map(len, self.tables))

    def find(self, issuer: bytes, serial_number: int) -> RevokedEntry | None:
        """What the CRL says of the certificate `serial_number` of `issuer` (`canonical_name`).

        Where a CRL lists it more than once, an entry that revokes counts before removeFromCRL.
        """
        serial = der.shortest_integer(serial_number)
        found = None
        for table in self.tables:
            if table.serial_width == len(serial) and table.issuer == issuer:
                for entry in table.find(serial):
                    if entry.reason is not CrlReason.REMOVE_FROM_CRL:
                        return entry
                    found = entry
        return found

    def has_reason(self, reason: CrlReason) -> bool:
        """Whether an entry gives `reason`."""
        return any(reason in table.reasons() for table in self.tables)

    def __iter__(self) -> Iterator[tuple[bytes, int, RevokedEntry]]:
        """Every entry with its issuer and serial number, in no particular order."""
        for table in self.tables:
            for serial, entry in table:
                yield table.issuer, serial, entry


def record(serial: bytes, date: bytes, reason: int) -> bytes:
    """One record of a SerialTable; `date` has DATE_WIDTH octets."""
    return serial + date + bytes((reason,))


def tables_of(issuer: bytes, records: Sequence[bytes]) -> list[SerialTable]:
    """The tables of `records`, which may differ in length."""
    by_width: dict[int, list[bytes]] = {}
    for one in records:
        by_width.setdefault(len(one), []).append(one)
    return [
        SerialTable(issuer, width - TAIL_WIDTH, b"".join(sorted(some)))
        for width, some in sorted(by_width.items())
    ]


def decode_date(date: bytes) -> datetime:
    """The UTC time of DATE_WIDTH octets; raises ValueError if there is no such time."""
    return datetime.fromisoformat(f"{date[:4].hex()}T{date[4:].hex()}Z")


def encode_date(tag: int, text: bytes) -> bytes:
    """DATE_WIDTH octets of a UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5)."""
    digits = text[:-1]
    if tag == der.UTC_TIME and len(digits) == 12:  # noqa: PLR2004 (YYMMDDhhmmss)
        digits = (b"19" if digits >= b"5" else b"20") + digits
    elif tag != der.GENERALIZED_TIME or len(digits) != 2 * DATE_WIDTH:
        digits = b""
    if text[-1:] != b"Z" or not digits.isdigit():
        raise CrlError("a date in the CRL is no UTCTime or GeneralizedTime of RFC 5280")
    try:
        date = bytes.fromhex(digits.decode())
        decode_date(date)
    except ValueError as error:
        raise CrlError(f"a date in the CRL is no time: {text!r}") from error
    return date


def _entry(records: bytes | memoryview, start: int) -> RevokedEntry:
    reason = records[start + DATE_WIDTH]
    return RevokedEntry(
        None if reason == NO_REASON else CrlReason(reason),
        decode_date(bytes(records[start : start + DATE_WIDTH])),
    )
