"""What a CRL answers for: which certificates and reasons (RFC 5280 sections 5.2.5, 6.3.3 b to e).

Decides by the CRL's issuing distribution point and the certificate's CRL distribution points. Their
names are compared and never fetched from.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cryptography import x509

from gateway.core import crl_der as der
from gateway.core.certificate import ClientCertificate
from gateway.core.crl_names import canonical_name
from gateway.errors import CrlError

Reasons = frozenset[x509.ReasonFlags]

ALL_REASONS: Reasons = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,  # bit 0 is unused
    x509.ReasonFlags.remove_from_crl,  # of entries alone
}
NO_REASONS: Reasons = frozenset()
_DIRECTORY_NAME = b"\xa4"  # the tags of GeneralName
_URI = b"\x86"
_SCHEME_AND_HOST = re.compile("^[^:/?#]+://[^/?#]*")


class CrlContents(Enum):
    """Whose certificates a CRL is limited to."""

    ALL = "all"
    USERS = "onlyContainsUserCerts"
    AUTHORITIES = "onlyContainsCACerts"


@dataclass(frozen=True, slots=True)
class _Point:
    """One distribution point of a certificate.

    Attributes:
        issuers: who may issue its CRLs, as `canonical_name`.
        delegated: they are named in the point's cRLIssuer.
        names: what its CRLs' issuing distribution point may be called.
        reasons: what its CRLs cover.
    """

    issuers: frozenset[bytes]
    delegated: bool
    names: frozenset[bytes]
    reasons: Reasons


@dataclass(frozen=True, slots=True)
class CrlScope:
    """The issuing distribution point of a CRL; without arguments that of a CRL that has none.

    Attributes:
        names: distributionPoint, each name in a form that can be compared; None if it is absent.
        contents: whose certificates the CRL is limited to.
        reasons: onlySomeReasons, or all of them.
        indirect: indirectCRL: the CRL may list other CAs' certificates.
    """

    names: frozenset[bytes] | None = None
    contents: CrlContents = CrlContents.ALL
    reasons: Reasons = ALL_REASONS
    indirect: bool = False

    @classmethod
    def of(cls, extension: x509.IssuingDistributionPoint, issuer: bytes) -> "CrlScope":
        """The scope that `extension` says, in a CRL of `issuer` (`canonical_name`).

        Raises CrlError if the CRL can say nothing about any certificate.
        """
        if extension.only_contains_attribute_certs:
            raise CrlError("the CRL is one of attribute certificates alone")
        contents = CrlContents.ALL
        if extension.only_contains_user_certs:
            contents = CrlContents.USERS
        elif extension.only_contains_ca_certs:
            contents = CrlContents.AUTHORITIES
        some = extension.only_some_reasons
        return cls(
            names=_names(extension.full_name, extension.relative_name, issuer),
            contents=contents,
            reasons=ALL_REASONS if some is None else some & ALL_REASONS,
            indirect=extension.indirect_crl,
        )

    def reasons_for(self, certificate: ClientCertificate, own: bytes, crl_issuer: bytes) -> Reasons:
        """For which reasons a CRL of this scope answers for `certificate`; none if it does not.

        `own` is the certificate's issuer, `crl_issuer` the CRL's, each as `canonical_name`. Raises
        CrlError if a name in the certificate is none.
        """
        if self.contents is not CrlContents.ALL and certificate.is_authority is not (
            self.contents is CrlContents.AUTHORITIES
        ):
            return NO_REASONS
        if self.names is None and crl_issuer == own:
            return self.reasons
        points = (one for one in _points(certificate, own) if self._matches(one, crl_issuer))
        return NO_REASONS.union(*(self.reasons & point.reasons for point in points))

    def _matches(self, point: _Point, crl_issuer: bytes) -> bool:
        if crl_issuer not in point.issuers or (point.delegated and not self.indirect):
            return False
        return self.names is None or not self.names.isdisjoint(point.names)

    def to_json(self) -> dict[str, Any]:
        """The scope in types that JSON has."""
        return {
            "names": None if self.names is None else sorted(one.hex() for one in self.names),
            "contents": self.contents.value,
            "reasons": sorted(one.value for one in self.reasons),
            "indirect": self.indirect,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "CrlScope":
        """What `to_json` made; raises KeyError, ValueError or TypeError if it is not."""
        names = value["names"]
        return cls(
            names=None if names is None else frozenset(map(bytes.fromhex, names)),
            contents=CrlContents(value["contents"]),
            reasons=frozenset(map(x509.ReasonFlags, value["reasons"])),
            indirect=bool(value["indirect"]),
        )


COMPLETE = CrlScope()
"""Of a CRL without an issuing distribution point."""


def names_crl_issuer(certificate: ClientCertificate, issuer: bytes) -> bool:
    """Whether a distribution point of `certificate` names `issuer` as its cRLIssuer.

    `issuer` is a `canonical_name`. Raises CrlError if a name in the certificate is none.
    """
    points = certificate.distribution_points
    return any(issuer in _directory_names(point.crl_issuer or ()) for point in points)


def _points(certificate: ClientCertificate, own: bytes) -> Iterator[_Point]:
    """The certificate's distribution points, and the one that RFC 5280 section 6.3.3 assumes.

    A CRL that no point specifies, but that the certificate's issuer issued, is processed as if it
    were at a point with that issuer's name.
    """
    for point in certificate.distribution_points:
        issuers = frozenset(_directory_names(point.crl_issuer or ()))
        base = next(iter(issuers), own)
        names = _names(point.full_name, point.relative_name, base)
        yield _Point(
            issuers=issuers or frozenset({own}),
            delegated=bool(point.crl_issuer),
            names=frozenset(map(_directory_key, issuers)) if names is None else names,
            reasons=ALL_REASONS if point.reasons is None else point.reasons & ALL_REASONS,
        )
    assumed = frozenset({_directory_key(own)})
    yield _Point(frozenset({own}), delegated=False, names=assumed, reasons=ALL_REASONS)


def _names(
    full: Iterable[x509.GeneralName] | None,
    relative: x509.RelativeDistinguishedName | None,
    issuer: bytes,
) -> frozenset[bytes] | None:
    """The names of a DistributionPointName; None if there is none (section 4.2.1.13)."""
    if full is not None:
        keys = {_directory_key(name) for name in _directory_names(full)}
        uris = {
            _uri_key(one.value) for one in full if isinstance(one, x509.UniformResourceIdentifier)
        }
        return frozenset(keys | uris)
    if relative is not None:
        return frozenset({_directory_key(_below(issuer, relative))})
    return None


def _directory_names(names: Iterable[x509.GeneralName]) -> Iterator[bytes]:
    for name in names:
        if isinstance(name, x509.DirectoryName):
            yield canonical_name(name.value.public_bytes())


def _directory_key(name: bytes) -> bytes:
    return _DIRECTORY_NAME + name


def _uri_key(uri: str) -> bytes:
    """A URI as section 7.4 compares it: scheme and host without regard to case."""
    return _URI + _SCHEME_AND_HOST.sub(lambda found: found[0].lower(), uri).encode()


def _below(issuer: bytes, relative: x509.RelativeDistinguishedName) -> bytes:
    """The name that nameRelativeToCRLIssuer means, as `canonical_name`."""
    last = canonical_name(x509.Name([relative]).public_bytes())
    rdns = (der.read(name, 0, len(name)).content(name) for name in (issuer, last))
    return der.encode(der.SEQUENCE, b"".join(rdns))
