"""Apple configuration profiles with an Exchange ActiveSync mailbox and its identity.

Builds the property list of a `.mobileconfig`; writes nothing and signs nothing. Payload types and
keys are those of Apple's device management reference; `gateway.profiles.schema` lists them.
"""

import plistlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.profiles.keys import CLIENT_AUTH, OWNER_SAN

Payload = dict[str, Any]

_SIGN: Final = 1  # "Key Usage" and "UsageFlags": a phone signs in a TLS handshake
_ENCRYPT: Final = 4
_HARDWARE_BITS: Final = 384
_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class MailSettings:
    """What the phone's Mail is told (payload type com.apple.eas.account).

    Attributes:
        host: the gateway's host name, bare.
        email: the mailbox's address.
        user: what the phone sends as User.
        name: what the phone's owner sees.
        past_days: how many days of mail are synchronised: 1, 3, 7, 14, 31; 0 for all.
    """

    host: str
    email: str
    user: str
    name: str
    past_days: int = 7


@dataclass(frozen=True, slots=True)
class Pkcs12Identity:
    """A key and certificate in the profile itself; without `password` the owner is asked for it."""

    content: bytes = field(repr=False)
    password: str | None = field(repr=False)

    def payload(self) -> Payload:
        """The payload without its common keys (type com.apple.security.pkcs12)."""
        payload: Payload = {
            "PayloadType": "com.apple.security.pkcs12",
            "PayloadCertificateFileName": "identity.p12",
            "PayloadContent": self.content,
        }
        return payload if self.password is None else {**payload, "Password": self.password}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a certificate that the phone asks for is to name; `upn` or `email` is there."""

    common_name: str
    upn: str | None = None
    email: str | None = None

    def subject(self) -> list[list[list[str]]]:
        """The subject as Apple writes it: an array of relative distinguished names."""
        return [[["CN", self.common_name]]]

    def names(self) -> dict[str, str]:
        """The subject alternative names that the gateway's username bindings read."""
        given = {"userPrincipalName": self.upn, "emailAddress": self.email}
        return {OWNER_SAN[kind]: value for kind, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ScepIdentity:
    """A certificate that the phone asks a SCEP server (RFC 8894) for.

    Attributes:
        url: of the SCEP server.
        owner: whom the certificate names.
        challenge: the password of the request.
        name: the CA instance's name, where the server has several.
        ca_fingerprint: of the CA's certificate, where the URL is plain http.
        key_size: RSA bits; Apple's own default is 1024, which TLS refuses.
    """

    url: str
    owner: Owner
    challenge: str | None = field(default=None, repr=False)
    name: str | None = None
    ca_fingerprint: bytes | None = None
    key_size: int = _RSA_BITS

    def payload(self) -> Payload:
        """The payload without its common keys (type com.apple.security.scep)."""
        request = {
            "URL": self.url,
            "Name": self.name,
            "Subject": self.owner.subject(),
            "SubjectAltName": self.owner.names(),
            "Challenge": self.challenge,
            "CAFingerprint": self.ca_fingerprint,
            "Keysize": self.key_size,
            "Key Type": "RSA",
            "Key Usage": _SIGN | _ENCRYPT,
            "KeyIsExtractable": False,
        }
        return {"PayloadType": "com.apple.security.scep", "PayloadContent": _present(request)}


@dataclass(frozen=True, slots=True)
class AcmeIdentity:
    """A certificate that the phone asks an ACME server (RFC 8555) for; iOS 16 or later.

    Attributes:
        directory_url: of the ACME server.
        client_identifier: what the server knows the device by.
        owner: whom the certificate names.
        hardware_bound: the key is made in the Secure Enclave and never leaves it.
        attest: the device proves to the server what it is; needs `hardware_bound`.
    """

    directory_url: str
    client_identifier: str
    owner: Owner
    hardware_bound: bool = True
    attest: bool = False

    def payload(self) -> Payload:
        """The payload without its common keys (type com.apple.security.acme)."""
        return {
            "PayloadType": "com.apple.security.acme",
            "DirectoryURL": self.directory_url,
            "ClientIdentifier": self.client_identifier,
            "Subject": self.owner.subject(),
            "SubjectAltName": self.owner.names(),
            "KeyType": "ECSECPrimeRandom" if self.hardware_bound else "RSA",
            "KeySize": _HARDWARE_BITS if self.hardware_bound else _RSA_BITS,
            "HardwareBound": self.hardware_bound,
            "Attest": self.attest,
            "UsageFlags": _SIGN if self.hardware_bound else _SIGN | _ENCRYPT,
            "ExtendedKeyUsage": [CLIENT_AUTH],
        }


PhoneIdentity = Pkcs12Identity | ScepIdentity | AcmeIdentity


def configuration(
    identifier: str,
    mail: MailSettings,
    identity: PhoneIdentity,
    authorities: Sequence[x509.Certificate] = (),
    organization: str | None = None,
) -> Payload:
    """The whole profile.

    Every UUID follows from `identifier`, so that a profile that is made again takes the place of
    the installed one. `authorities` are the CAs that the phone is to trust for the gateway's own
    certificate: roots, and intermediates above it that the gateway does not send.
    """
    who = _common(f"{identifier}.identity", "Certificate for mail") | identity.payload()
    eas = _common(f"{identifier}.eas", mail.name) | _eas(mail, who["PayloadUUID"])
    trusted = [_authority(identifier, one) for one in dict.fromkeys(authorities)]
    whole = _common(identifier, mail.name) | {
        "PayloadType": "Configuration",
        "PayloadDescription": f"Mail of {mail.email} through {mail.host}, by certificate",
        "PayloadOrganization": organization,
        "PayloadContent": [*trusted, who, eas],
    }
    return _present(whole)


def dump(profile: Payload) -> bytes:
    """The profile as an XML property list, the same bytes for the same profile."""
    return plistlib.dumps(profile, sort_keys=True)


def payload_uuid(identifier: str) -> str:
    """The PayloadUUID that belongs to a PayloadIdentifier, always the same (RFC 9562, UUIDv5)."""
    return str(uuid5(NAMESPACE_URL, f"urn:mobileconfig:{identifier}")).upper()


def _eas(mail: MailSettings, certificate_uuid: str) -> Payload:
    return {
        "PayloadType": "com.apple.eas.account",
        "EmailAddress": mail.email,
        "UserName": mail.user,
        "Host": mail.host,
        "SSL": True,
        "OAuth": False,
        "PayloadCertificateUUID": certificate_uuid,
        "MailNumberOfPastDaysToSync": mail.past_days,
    }


def _authority(identifier: str, certificate: x509.Certificate) -> Payload:
    der = certificate.public_bytes(Encoding.DER)
    kind = "root" if certificate.issuer == certificate.subject else "pkcs1"
    name = certificate.subject.rfc4514_string() or "CA"
    return _common(f"{identifier}.ca.{sha256(der).hexdigest()[:16]}", name) | {
        "PayloadType": f"com.apple.security.{kind}",
        "PayloadCertificateFileName": "ca.cer",
        "PayloadContent": der,
    }


def _common(identifier: str, name: str) -> Payload:
    return {
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": payload_uuid(identifier),
        "PayloadDisplayName": name,
    }


def _present(values: Payload) -> Payload:
    return {key: value for key, value in values.items() if value is not None}
