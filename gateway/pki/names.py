"""Subject alternative names of servers and devices (RFC 5280, 4.2.1.6)."""

import ipaddress
import re
from collections.abc import Iterable

from cryptography import x509

from gateway.errors import CertificateError

# The OtherName type of a user principal name (szOID_NT_PRINCIPAL_NAME).
PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")

_UTF8_STRING = 0x0C
_LONG_FORM = 0x80
_HOSTNAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\Z")


def tlv(tag: int, content: bytes) -> bytes:
    """The DER encoding of `content` under a one-byte `tag`, with the shortest length."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, _LONG_FORM | len(octets)]) + octets + content


def principal_name(upn: str) -> x509.OtherName:
    """The user principal name `upn` as an OtherName that holds a UTF8String.

    Raises:
        CertificateError: if `upn` is no text that UTF-8 can hold.
    """
    try:
        return x509.OtherName(PRINCIPAL_NAME, tlv(_UTF8_STRING, upn.encode()))
    except UnicodeEncodeError as error:
        raise CertificateError(f"{upn!r} cannot be a user principal name: not UTF-8") from error


def rfc822_name(address: str) -> x509.RFC822Name:
    """The mail address `address`; raises CertificateError if an RFC822 name cannot hold it."""
    try:
        return x509.RFC822Name(address)
    except ValueError as error:
        raise CertificateError(
            f"{address!r} cannot be an RFC822 name: it must be one ASCII address, user@domain"
        ) from error


def host_name(host: str) -> x509.GeneralName:
    """`host` as an IP address or a DNS name; raises CertificateError if it is neither."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not _HOSTNAME.match(host):
            raise CertificateError(
                f"{host!r} is no host name: write an IP address or an ASCII DNS name (xn--...)"
            ) from None
        return x509.DNSName(host)


def host_names(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    """The names of a server, each once and in the order given."""
    return x509.SubjectAlternativeName([host_name(host) for host in dict.fromkeys(hosts)])


def device_names(upn: str | None, email: str | None) -> x509.SubjectAlternativeName | None:
    """The names of a device's owner, the UPN first; None where there is neither."""
    names: list[x509.GeneralName] = []
    if upn is not None:
        names.append(principal_name(upn))
    if email is not None:
        names.append(rfc822_name(email))
    return x509.SubjectAlternativeName(names) if names else None
