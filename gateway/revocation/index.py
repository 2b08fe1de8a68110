"""The compiled index of one CRL: sorted tables in a file that every worker maps.

    magic, length of the header and its CRC-32 | header, JSON | tables

The header says which CRL it is, where each table lies, and the length and CRC-32 of them all. A
file that does not fit its header is refused, whole. Names are `AUTHORITY-ID.base.index`,
`AUTHORITY-ID.delta.index` and, for a further source, `AUTHORITY-ID.source-....index`.
"""

import json
import mmap
import struct
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from gateway.core.crl import AcceptedCrl, CrlFacts, RevocationList
from gateway.core.crl_entries import TAIL_WIDTH, RevokedEntries, RevokedEntry, SerialTable
from gateway.core.crl_scope import COMPLETE, CrlScope
from gateway.errors import CrlError
from gateway.revocation.files import put_in_place, stage

FORMAT = 2
_READABLE = (1, FORMAT)  # format 1 has no scope and no signer, as its CRLs had none
SUFFIX = ".index"
_MAGIC = b"EASCRL\r\n"
_PREFIX = struct.Struct(">8sII")


def index_name(authority_id: str, name: str) -> str:
    """The file name of an authority's index; `name` is base, delta or a `CrlSource.name`."""
    return f"{authority_id}.{name}{SUFFIX}"


def index_path(directory: Path, authority_id: str, name: str) -> Path:
    """Where the index of an authority's CRL lies; `name` as for `index_name`."""
    return directory / index_name(authority_id, name)


class IndexFile:
    """One mapped index; immutable, and valid after the file was replaced or removed.

    Attributes:
        accepted: the CRL and when it was first accepted.
        issuer: the CRL's issuer as `canonical_name`.
        entries: its entries, in mapped memory.
    """

    def __init__(self, accepted: AcceptedCrl, issuer: bytes, entries: RevokedEntries) -> None:
        self.accepted = accepted
        self.issuer = issuer
        self.entries = entries

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map the index at `path`; raises CrlError if it is damaged, OSError if it is not there."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < _PREFIX.size:
                raise CrlError(f"{path}: the index is truncated")
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        try:
            return cls._read(mapped)
        except (CrlError, ValueError, KeyError, TypeError) as error:
            raise CrlError(f"{path}: the index is damaged: {error}") from error

    @classmethod
    def _read(cls, mapped: memoryview) -> Self:
        magic, length, checksum = _PREFIX.unpack_from(mapped)
        text = bytes(mapped[_PREFIX.size : _PREFIX.size + length])
        if magic != _MAGIC or zlib.crc32(text) != checksum:
            raise CrlError("its header is not one")
        header = json.loads(text)
        if header["format"] not in _READABLE:
            raise CrlError(f"its format is {header['format']}, not {FORMAT}")
        records = mapped[_PREFIX.size + length :]
        if len(records) != header["size"] or zlib.crc32(records) != header["checksum"]:
            raise CrlError("its tables are not those of its header")
        return cls(
            accepted_from_json(header), bytes.fromhex(header["issuer"]), _tables(header, records)
        )

    def find(self, serial_number: int) -> RevokedEntry | None:
        """What the CRL says of the CA's certificate `serial_number`; None if it is not listed."""
        return self.entries.find(self.issuer, serial_number)


def write_index(path: Path, crl: RevocationList, accepted_at: datetime) -> None:
    """Compile `crl` into the index at `path`, at once for every later `IndexFile.open`.

    Raises OSError, and then leaves the old index as it was.
    """
    put_in_place(stage_index(path, crl, accepted_at), path)


def stage_index(path: Path, crl: RevocationList, accepted_at: datetime) -> Path:
    """The index of `crl` in a file to be put in place of `path`; raises OSError."""
    tables = crl.entries.tables
    checksum = 0
    for table in tables:
        checksum = zlib.crc32(table.records, checksum)
    header = json.dumps(
        {
            "format": FORMAT,
            **accepted_to_json(AcceptedCrl(crl.facts, accepted_at)),
            "issuer": crl.issuer.hex(),
            "tables": [[one.issuer.hex(), one.serial_width, len(one)] for one in tables],
            "size": sum(len(one.records) for one in tables),
            "checksum": checksum,
        }
    ).encode()
    prefix = _PREFIX.pack(_MAGIC, len(header), zlib.crc32(header))
    return stage(path, (prefix, header, *(one.records for one in tables)))


def accepted_to_json(accepted: AcceptedCrl) -> dict[str, Any]:
    """`accepted` in types that JSON has."""
    facts = accepted.facts
    publish = facts.next_publish
    return {
        "issuer_id": facts.issuer_id,
        "crl_number": facts.crl_number,
        "base_crl_number": facts.base_crl_number,
        "this_update": facts.this_update.isoformat(),
        "next_update": facts.next_update.isoformat(),
        "next_publish": publish.isoformat() if publish else None,
        "digest": facts.digest.hex(),
        "source_size": facts.source_size,
        "scope": facts.scope.to_json(),
        "signer": facts.signer.hex() if facts.signer else None,
        "accepted_at": accepted.accepted_at.isoformat(),
    }


def accepted_from_json(header: dict[str, Any]) -> AcceptedCrl:
    """What `accepted_to_json` made; raises KeyError, ValueError or TypeError if it is not."""
    publish = header["next_publish"]
    scope, signer = header.get("scope"), header.get("signer")
    facts = CrlFacts(
        issuer_id=header["issuer_id"],
        crl_number=header["crl_number"],
        base_crl_number=header["base_crl_number"],
        this_update=datetime.fromisoformat(header["this_update"]),
        next_update=datetime.fromisoformat(header["next_update"]),
        next_publish=datetime.fromisoformat(publish) if publish else None,
        digest=bytes.fromhex(header["digest"]),
        source_size=header["source_size"],
        scope=CrlScope.from_json(scope) if scope else COMPLETE,
        signer=bytes.fromhex(signer) if signer else None,
    )
    return AcceptedCrl(facts, datetime.fromisoformat(header["accepted_at"]))


def _tables(header: dict[str, Any], records: memoryview) -> RevokedEntries:
    tables, start = [], 0
    for issuer, width, count in header["tables"]:
        stop = start + count * (width + TAIL_WIDTH)
        tables.append(SerialTable(bytes.fromhex(issuer), width, records[start:stop]))
        start = stop
    return RevokedEntries(tuple(tables))
