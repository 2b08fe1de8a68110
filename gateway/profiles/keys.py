"""Terms that builders and checks share: what a certificate for sign-in must say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"
"""id-kp-clientAuth (RFC 5280 section 4.2.1.12)."""

OWNER_SAN: Final[Mapping[str, str]] = MappingProxyType(
    {"userPrincipalName": "ntPrincipalName", "emailAddress": "rfc822Name"}
)
"""The SAN values that lead to a mailbox: Intune's name for each, and Apple's."""
