"""Which hosts a server's certificate is for (RFC 9525)."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509

from gateway.core.names import fold
from gateway.core.unreadable import UNREADABLE


def server_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names and addresses in the subject alternative name; none if it cannot be read."""
    try:
        extensions = {extension.oid: extension.value for extension in certificate.extensions}
    except UNREADABLE:
        return []
    names = extensions.get(x509.SubjectAlternativeName.oid)
    if not isinstance(names, x509.SubjectAlternativeName):
        return []
    addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def matches(host: str, name: str) -> bool:
    """Whether a name is for a host: a wildcard stands for one whole label, the first."""
    address = _address(host)
    if address is not None:
        return address == _address(name)
    host, name = fold(host).removesuffix("."), fold(name)
    return host == name or (name.startswith("*.") and host.partition(".")[2] == name[2:])


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
