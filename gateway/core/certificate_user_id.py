"""The values of certificateUserIds in Entra's text forms, as keys that can be looked up.

Decides which forms there are and when a value is that of a certificate; is not told whose it is.
"""

import re
from collections.abc import Sequence

from gateway.core.distinguished_name import Name, digest, parse_name
from gateway.core.names import fold
from gateway.core.username_binding import CertificateField
from gateway.errors import DirectoryError

VALUES = 10
"""How many values a mailbox may have, as in Entra."""
_LENGTH = 1024  # of one of them, likewise

_FORM = re.compile(r"X509:<(PN|RFC822|SKI|SHA1-PUKEY|S|I)>(.*)")
_SHA1_OCTETS = 20
_SERIAL_OCTETS = 21  # 20 and the one that keeps it positive (RFC 5280 section 4.1.2.2)


def key(field: CertificateField, value: str) -> str:
    """What a value of `field` is looked up by."""
    return f"{field.value}:{value}"


def text_key(field: CertificateField, text: str) -> str:
    """The key of a principal name or an RFC822 name."""
    return key(field, fold(text))


def octets_key(field: CertificateField, octets: bytes) -> str:
    """The key of an SKI or a SHA-1 hash."""
    return key(field, octets.hex())


def name_key(field: CertificateField, *names: Name) -> str:
    """The key of a subject, or of an issuer and a subject."""
    return key(field, digest(*names))


def serial_number_key(issuer: Name, octets: bytes) -> str:
    """The key of an issuer and a serial number, written as these octets."""
    return key(CertificateField.ISSUER_AND_SERIAL_NUMBER, f"{digest(issuer)}:{octets.hex()}")


def value_key(value: str) -> str:
    """The key of a value of certificateUserIds.

    Text that does not begin with `X509:` is one as well, and no certificate has it. Raises
    DirectoryError, the end of a sentence, if the value is wrong.
    """
    if not 1 <= len(value) <= _LENGTH:
        raise DirectoryError(f"has {len(value)} characters; 1 to {_LENGTH} are allowed")
    if not value.isprintable() or value != value.strip():
        raise DirectoryError("has a control character, or begins or ends with a blank")
    if not value.upper().startswith("X509:"):
        return f"Other:{fold(value)}"
    found = _FORM.fullmatch(value)
    if found is None:
        raise DirectoryError(
            "is none of X509:<PN>, X509:<RFC822>, X509:<SKI>, X509:<SHA1-PUKEY>, X509:<S>, "
            "X509:<I>...<S> and X509:<I>...<SR>, with these capitals"
        )
    return _form_key(found[1], found[2])


def user_ids_problem(values: Sequence[str]) -> str | None:
    """What is wrong with the values of one mailbox, as a sentence; None if nothing is."""
    if len(values) > VALUES:
        return f"there are {len(values)} values; {VALUES} are allowed"
    for value in values:
        try:
            value_key(value)
        except DirectoryError as error:
            return f"the value {value!r} {error}"
    return None


def _form_key(mapping: str, rest: str) -> str:
    match mapping:
        case "PN":
            return text_key(CertificateField.PRINCIPAL_NAME, _not_empty(rest))
        case "RFC822":
            return text_key(CertificateField.RFC822_NAME, _not_empty(rest))
        case "SKI":
            return octets_key(CertificateField.SKI, _octets(rest))
        case "SHA1-PUKEY":
            octets = _octets(rest)
            if len(octets) != _SHA1_OCTETS:
                raise DirectoryError(f"has {len(octets)} octets where a SHA-1 hash has 20")
            return octets_key(CertificateField.SHA1_PUBLIC_KEY, octets)
        case "S":
            return name_key(CertificateField.SUBJECT, parse_name(rest))
        case _:
            return _issuer_key(rest)


def _issuer_key(rest: str) -> str:
    """A bare `<` is part of no name, so at most one place is where the issuer ends."""
    error = DirectoryError("has no <S> or <SR> after the issuer")
    for mark in re.finditer("<SR?>", rest):
        try:
            issuer = parse_name(rest[: mark.start()])
        except DirectoryError as problem:
            error = problem
            continue
        after = rest[mark.end() :]
        if mark[0] == "<S>":
            return name_key(CertificateField.ISSUER_AND_SUBJECT, issuer, parse_name(after))
        octets = _octets(after)
        if len(octets) > _SERIAL_OCTETS:
            raise DirectoryError(f"has a serial number of {len(octets)} octets; 20 are allowed")
        return serial_number_key(issuer, octets)
    raise error


def _octets(text: str) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError as error:
        raise DirectoryError(f"has {text!r} where pairs of hexadecimal digits belong") from error
    if not octets:
        raise DirectoryError("has no hexadecimal digits")
    return octets


def _not_empty(text: str) -> str:
    if not text:
        raise DirectoryError("has no name")
    return text
