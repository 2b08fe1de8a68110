"""Distinguished names as text and in certificates, in one form that can be compared.

Decides when a written name is that of a certificate; is not told which mailbox it stands for.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from cryptography import x509

from gateway.core.names import fold
from gateway.errors import DirectoryError

Rdn = tuple[tuple[str, str], ...]
"""The attributes of one relative name, sorted: dotted OID, and the value as it is compared."""
Name = tuple[Rdn, ...]
"""The relative names as the certificate has them, which is root first."""

# The keywords of RFC 4514 section 3, and those that Windows writes.
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "CN": "2.5.4.3",
        "SN": "2.5.4.4",
        "SERIALNUMBER": "2.5.4.5",
        "C": "2.5.4.6",
        "L": "2.5.4.7",
        "S": "2.5.4.8",
        "ST": "2.5.4.8",
        "STREET": "2.5.4.9",
        "O": "2.5.4.10",
        "OU": "2.5.4.11",
        "T": "2.5.4.12",
        "TITLE": "2.5.4.12",
        "DESCRIPTION": "2.5.4.13",
        "POSTALCODE": "2.5.4.17",
        "POBOX": "2.5.4.18",
        "PHONE": "2.5.4.20",
        "G": "2.5.4.42",
        "GN": "2.5.4.42",
        "GIVENNAME": "2.5.4.42",
        "I": "2.5.4.43",
        "INITIALS": "2.5.4.43",
        "DNQUALIFIER": "2.5.4.46",
        "E": "1.2.840.113549.1.9.1",
        "EMAIL": "1.2.840.113549.1.9.1",
        "EMAILADDRESS": "1.2.840.113549.1.9.1",
        "DC": "0.9.2342.19200300.100.1.25",
        "UID": "0.9.2342.19200300.100.1.1",
    }
)

# What may follow a repetition never begins as another turn of it does, so that no text takes longer
# than its length. (Python before 3.11.5 matches possessive groups wrongly.) Windows quotes a value
# and doubles the quotes inside, RFC 4514 escapes with a backslash; one between quotes would mean
# either.
_ATTRIBUTE = re.compile(
    r" *+(?:OID\.)?([A-Za-z][A-Za-z0-9]*+|[0-9]++(?:\.[0-9]++)+) *+= *+"
    r'(?:"((?:[^"\\]|"")*)" *+|((?:[^,+;<>"\\]|\\.)*))(?:([,+])|\Z)',
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)")


def parse_name(text: str) -> Name:
    """The name that `text` writes, root first, such as DC=com,DC=contoso,CN=Alice.

    Raises DirectoryError, the end of a sentence, if it writes none.
    """
    rdns: list[Rdn] = []
    attributes: list[tuple[str, str]] = []
    position, separator = 0, ","
    while separator:
        found = _ATTRIBUTE.match(text, position)
        if found is None:
            raise DirectoryError(f"has no TYPE=VALUE at {text[position : position + 20]!r}")
        keyword, quoted, plain, separator = found.groups()
        attributes.append((_type(keyword), _compared(_value(quoted, plain))))
        if separator != "+":
            rdns.append(tuple(sorted(attributes)))
            attributes = []
        position = found.end()
    return tuple(rdns)


def read_name(name: x509.Name) -> Name:
    """The name of a certificate; raises one of `UNREADABLE` if it cannot be read."""
    return tuple(
        tuple(sorted((one.oid.dotted_string, _compared(one.value)) for one in rdn))
        for rdn in name.rdns
    )


def digest(*names: Name) -> str:
    """A short text that only equal names have."""
    return sha256(repr(names).encode()).hexdigest()


def _type(keyword: str) -> str:
    oid = keyword if keyword[0].isdecimal() else _TYPES.get(keyword.upper())
    if oid is None:
        raise DirectoryError(f"has the attribute type {keyword!r}, which is not known")
    return oid


def _value(quoted: str | None, plain: str) -> str:
    if quoted is not None:
        return quoted.replace('""', '"')
    if plain.startswith("#"):
        raise DirectoryError("has a value in hexadecimal, which is not compared")
    try:
        return _ESCAPED.sub(_unescaped, plain)
    except UnicodeDecodeError as error:
        raise DirectoryError("has an escaped value that is not UTF-8") from error


def _unescaped(found: re.Match[str]) -> str:
    octets, character = found.groups()
    return character if octets is None else bytes.fromhex(octets.replace("\\", "")).decode()


def _compared(value: str | bytes) -> str:
    r"""`value` without regard to ASCII case and to how many blanks stand together.

    Less is disregarded than RFC 5280 section 7.1 would allow: the wider the comparison, the more
    people have one name.
    """
    if isinstance(value, bytes):
        return f"#{value.hex()}"
    return fold(" ".join(filter(None, value.split(" "))))
