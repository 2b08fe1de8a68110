"""From revokedCertificates to sorted tables, quickly.

Decides nothing that `crl_entries` does not say; it is the reading of it. Half a million entries are
read column by column: entries of equal layout lie at a fixed stride once sorted, so that slices
with a step check and copy each column at once. Whatever is laid out otherwise is read one by one.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date

from gateway.core import crl_der as der
from gateway.core.crl_entries import (
    NO_REASON,
    TAIL_WIDTH,
    CrlReason,
    RevokedEntries,
    SerialTable,
    encode_date,
    record,
    tables_of,
)
from gateway.core.crl_names import canonical_name
from gateway.errors import CrlError

REASON_CODE = bytes.fromhex("0603551d15")  # 2.5.29.21
INVALIDITY_DATE = bytes.fromhex("0603551d18")  # 2.5.29.24
CERTIFICATE_ISSUER = bytes.fromhex("0603551d1d")  # 2.5.29.29
_DIRECTORY_NAME = 0xA4  # [4] EXPLICIT, of GeneralName
_REASONS = frozenset(CrlReason)
_SHORT = range(0x80)
# One alternative for each length of an entry, the usual ones first: no length needs computing.
_SPLIT = re.compile(
    "0(?:"
    + "|".join(f"\\x{n:02x}.{{{n}}}" for n in (*_SHORT[0x11:0x40], *_SHORT[0x40:], *_SHORT[:0x11]))
    + ")",
    re.DOTALL,
)
_HEAD = 4  # SEQUENCE and its length, INTEGER and its length
_TIME = 15  # UTCTime, its length, YYMMDDhhmmss, Z
_DIGITS = 12
# Extensions { Extension { reasonCode, OCTET STRING { ENUMERATED } } } up to the reason's octet.
_REASON_ONLY = bytes.fromhex("300c300a0603551d1504030a01")
_CENTURY = bytes(0x19 if octet >= ord("5") else 0x20 for octet in range(256))


def read_entries(content: bytes, issuer: bytes, *, indirect: bool = False) -> RevokedEntries:
    """The tables of the entries in `content`: of `issuer`'s certificates, if not `indirect`.

    `content` is that of revokedCertificates, `issuer` a canonical name. Raises CrlError when an
    entry cannot be read, has a critical extension that is not implemented, or is of another CA
    though the CRL is not `indirect`.
    """
    if indirect and CERTIFICATE_ISSUER in content:
        return RevokedEntries(tuple(_indirect(content, issuer)))
    return RevokedEntries(tuple(_direct(content, issuer)))


def _direct(content: bytes, issuer: bytes) -> Iterable[SerialTable]:
    text = content.decode("latin-1")
    entries = _SPLIT.findall(text)
    if sum(map(len, entries)) != len(text):
        return tables_of(issuer, [*_each(_split(content))])
    entries.sort()
    return _tables(entries, issuer)


def _indirect(content: bytes, issuer: bytes) -> Iterator[SerialTable]:
    """The tables of each issuer's entries.

    A certificateIssuer holds for the entries after it as well, up to the next one; before the first
    it is the CRL's `issuer` (RFC 5280 section 5.3.3).
    """
    plain: dict[bytes, list[bytes]] = {}
    naming: dict[bytes, list[bytes]] = {}
    names: dict[bytes, bytes] = {}
    for entry in _split(content):
        one, named = _read(entry) if CERTIFICATE_ISSUER in entry else (b"", None)
        if named is None:
            plain.setdefault(issuer, []).append(entry)
            continue
        if named not in names:
            names[named] = _directory_name(named)
        issuer = names[named]
        naming.setdefault(issuer, []).append(one)
    for name, entries in plain.items():
        yield from _direct(b"".join(entries), name)
    for name, records in naming.items():
        yield from tables_of(name, records)


def _tables(entries: list[str], issuer: bytes) -> Iterator[SerialTable]:
    """The tables of sorted `entries`: those with the same first octets have the same layout."""
    start = 0
    while start < len(entries):
        head = entries[start][:_HEAD]
        stop = bisect_right(entries, head + "\xff" * len(_SHORT), start)
        group = entries[start:stop]
        block = "".join(group).encode("latin-1")
        records = _columns(block, len(group[0]))
        if records is None:
            yield from tables_of(issuer, [*_each(one.encode("latin-1") for one in group)])
        else:
            yield SerialTable(issuer, ord(head[3]), records)
        start = stop


def _columns(block: bytes, stride: int) -> bytes | None:
    """The records of sorted entries `stride` octets long; None if they are laid out otherwise."""
    width = block[3] if stride > _HEAD else 0
    time = _HEAD + width
    extensions = time + _TIME
    if block[2] != der.INTEGER or not width or extensions > stride:
        return None
    count = len(block) // stride
    if _gather(block, stride, time, 2) != b"\x17\x0d" * count:
        return None
    if block[extensions - 1 :: stride] != b"Z" * count:
        return None
    reasons = _reasons(block, stride, extensions)
    dates = _dates(_gather(block, stride, time + 2, _DIGITS))
    if reasons is None or dates is None:
        return None
    # Sorted as they are, a first octet of 00 or FF that is one too many shows at an end.
    der.integer(block[_HEAD:time], "a serial number")
    der.integer(block[len(block) - stride :][_HEAD:time], "a serial number")
    records = bytearray(count * (width + TAIL_WIDTH))
    columns = [block[_HEAD + i :: stride] for i in range(width)]
    for i, column in enumerate((*columns, *dates, reasons)):
        records[i :: width + TAIL_WIDTH] = column
    return bytes(records)


def _reasons(block: bytes, stride: int, extensions: int) -> bytes | None:
    count, length = len(block) // stride, stride - extensions
    if not length:
        return bytes((NO_REASON,)) * count
    if length != len(_REASON_ONLY) + 1:
        return None
    if _gather(block, stride, extensions, len(_REASON_ONLY)) != _REASON_ONLY * count:
        return None
    reasons = block[stride - 1 :: stride]
    return reasons if _REASONS.issuperset(reasons) else None


def _dates(digits: bytes) -> list[bytes] | None:
    """The seven columns of the dates in `digits`, YYMMDDhhmmss each; None if one is no date."""
    if not digits.isdigit():
        return None
    packed = bytes.fromhex(digits.decode())
    year, month, day, hour, minute, second = (packed[i::6] for i in range(6))
    century = digits[::_DIGITS].translate(_CENTURY)
    if max(hour) > 0x23 or max(minute) > 0x59 or max(second) > 0x59:  # noqa: PLR2004 (23:59:59)
        return None
    try:
        for one in set(zip(century, year, month, day, strict=True)):
            date.fromisoformat(bytes(one).hex())
    except ValueError:
        return None
    return [century, year, month, day, hour, minute, second]


def _gather(block: bytes, stride: int, offset: int, width: int) -> bytes:
    """`width` columns of `block` from `offset`, entry by entry."""
    gathered = bytearray(len(block) // stride * width)
    for i in range(width):
        gathered[i::width] = block[offset + i :: stride]
    return bytes(gathered)


def _split(content: bytes) -> Iterator[bytes]:
    for entry in der.children(content, 0, len(content)):
        if entry.tag != der.SEQUENCE:
            raise CrlError("revokedCertificates of the CRL holds something that is no entry")
        yield entry.encoded(content)


def _each(entries: Iterable[bytes]) -> Iterator[bytes]:
    """One record for each entry of a CRL that is not indirect, whatever its layout."""
    for entry in entries:
        one, named = _read(entry)
        if named is not None:
            raise CrlError("an entry names a certificate issuer, but this is no indirect CRL")
        yield one


def _read(entry: bytes) -> tuple[bytes, bytes | None]:
    """The record of an entry, and the value of its certificateIssuer (RFC 5280 section 5.3)."""
    outer = der.read(entry, 0, len(entry))
    serial, time, *rest = _fields(entry, outer)
    reason, named = _extensions(entry, rest[0]) if rest else (NO_REASON, None)
    one = record(
        der.integer(serial.content(entry), "a serial number"),
        encode_date(time.tag, time.content(entry)),
        reason,
    )
    return one, named


def _fields(entry: bytes, outer: der.Value) -> list[der.Value]:
    fields = list(der.children(entry, outer.start, outer.stop))
    tags = [field.tag for field in fields]
    if tags[:1] != [der.INTEGER] or len(fields) not in (2, 3) or tags[2:] not in ([], [0x30]):
        raise CrlError("an entry of the CRL is not a serial number, a date and extensions")
    return fields


def _directory_name(value: bytes) -> bytes:
    """The one directoryName in the GeneralNames `value`: an issuer has one name."""
    names = der.expect(value, 0, len(value), der.SEQUENCE, "a certificate issuer")
    name = der.expect(
        value, names.start, names.stop, _DIRECTORY_NAME, "a certificate issuer's name"
    )
    if name.stop != len(value):
        raise CrlError("an entry of the CRL names more than one certificate issuer")
    return canonical_name(name.content(value))


def _extensions(entry: bytes, extensions: der.Value) -> tuple[int, bytes | None]:
    """The reason and the value of certificateIssuer that an entry's extensions give."""
    reason, named, seen = NO_REASON, None, set()
    for extension in der.children(entry, extensions.start, extensions.stop):
        identifier, critical, value = entry_extension(entry, extension)
        if identifier in seen:
            raise CrlError("an entry of the CRL has the same extension twice")
        seen.add(identifier)
        if identifier == REASON_CODE:
            reason = _reason_code(value)
        elif identifier == CERTIFICATE_ISSUER:
            named = value
        elif identifier == INVALIDITY_DATE:
            _require_time(value)
        elif critical:
            raise CrlError(
                f"an entry of the CRL has a critical extension that is not implemented: "
                f"{der.dotted(identifier)}"
            )
    if not seen:
        raise CrlError("an entry of the CRL has an empty list of extensions")
    return reason, named


def entry_extension(entry: bytes, extension: der.Value) -> tuple[bytes, bool, bytes]:
    """The OID (encoded), the criticality and the value of one Extension; raises CrlError."""
    if extension.tag != der.SEQUENCE:
        raise CrlError("an entry of the CRL has an extension that is none")
    fields = list(der.children(entry, extension.start, extension.stop))
    critical = [field.tag for field in fields[1:2]] == [der.BOOLEAN]
    if critical and fields.pop(1).content(entry) != b"\xff":
        raise CrlError("an entry of the CRL has an extension whose criticality is not DER")
    if [field.tag for field in fields] != [der.OBJECT_IDENTIFIER, der.OCTET_STRING]:
        raise CrlError("an entry of the CRL has an extension that is none")
    identifier, value = fields
    return der.object_identifier(identifier.encoded(entry)), critical, value.content(entry)


def _require_time(value: bytes) -> None:
    """InvalidityDate (RFC 5280 section 5.3.2) decides nothing, but must be one."""
    time = der.expect(value, 0, len(value), der.GENERALIZED_TIME, "an invalidity date")
    encode_date(time.tag, time.content(value))
    if time.stop != len(value):
        raise CrlError("an invalidity date of the CRL is followed by something else")


def _reason_code(value: bytes) -> int:
    match tuple(value):
        case (der.ENUMERATED, 1, reason) if reason in _REASONS:
            return reason
    raise CrlError(f"an entry of the CRL has a reason code that there is not: {value.hex()}")
