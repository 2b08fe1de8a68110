"""Security identifiers of Active Directory in certificates (MS-WCCE section 2.2.2.7.7.4).

Decides what a SID is and where a certificate has one; is not told whose it is.
"""

import re
from collections.abc import Iterable

from cryptography import x509

from gateway.core import crl_der as der
from gateway.errors import CertificateError, CrlError

SECURITY_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2")
URI_PREFIX = "tag:microsoft.com,2022-09-14:sid:"

_OBJECT_SID = bytes.fromhex("2b06010401823719 0201")  # 1.3.6.1.4.1.311.25.2.1
_CONTEXT_0 = 0xA0
_SID = re.compile(r"S-1-(0|[1-9][0-9]{0,14})((?:-(?:0|[1-9][0-9]{0,9})){1,15})")
_AUTHORITY_LIMIT = 2**48
_SUB_AUTHORITY_LIMIT = 2**32


def sid_problem(text: str) -> str | None:
    """Why `text` is no SID (MS-DTYP section 2.4.2.1), as the end of a sentence; None if it is."""
    found = _SID.fullmatch(text)
    if found is None:
        return "is not a SID, such as S-1-5-21-1004336348-1177238915-682003330-512"
    numbers = [int(number) for number in found[2][1:].split("-")]
    if int(found[1]) >= _AUTHORITY_LIMIT or max(numbers) >= _SUB_AUTHORITY_LIMIT:
        return "is not a SID: a number in it is too large"
    return None


def extension_sid(extension: bytes) -> str:
    """The SID in the content of the security extension; raises CertificateError if it has none.

    The content is a sequence of OtherName values, of which one is the SID; others are passed over.
    """
    try:
        found = [_checked(text.decode("ascii")) for text in _octet_strings(extension)]
    except (CrlError, UnicodeDecodeError) as error:
        raise CertificateError("the certificate's SID extension cannot be read") from error
    if len(found) != 1:
        raise CertificateError(f"the certificate's SID extension has {len(found)} SIDs")
    return found[0]


def uri_sids(uris: Iterable[str]) -> tuple[str, ...]:
    """The SIDs among the URIs of a SAN; raises CertificateError if one of them is none."""
    return tuple(
        _checked(uri.removeprefix(URI_PREFIX)) for uri in uris if uri.startswith(URI_PREFIX)
    )


def _octet_strings(extension: bytes) -> Iterable[bytes]:
    outer = _only(extension, 0, len(extension), der.SEQUENCE)
    for name in der.children(extension, outer.start, outer.stop):
        kind = der.expect(extension, name.start, name.stop, der.OBJECT_IDENTIFIER, "a name's type")
        if name.tag == _CONTEXT_0 and kind.content(extension) == _OBJECT_SID:
            wrapped = _only(extension, kind.stop, name.stop, _CONTEXT_0)
            yield _only(extension, wrapped.start, wrapped.stop, der.OCTET_STRING).content(extension)


def _only(data: bytes, begin: int, end: int, tag: int) -> der.Value:
    value = der.expect(data, begin, end, tag, "the SID extension")
    if value.stop != end:
        raise CrlError("the SID extension holds more than one value where one belongs")
    return value


def _checked(text: str) -> str:
    if problem := sid_problem(text):
        raise CertificateError(f"the certificate's SID {text!r} {problem}")
    return text
