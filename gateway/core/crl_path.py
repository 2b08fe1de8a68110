"""Revocation along the certification paths of those who sign CRLs (RFC 5280 section 6.3.3 f).

Decides what `gateway.core.crl_status` leaves open: whether a certificate whose key signs a CRL, but
is not the authority's own, chains to the authority's anchor and is not revoked itself. Links are
found by name and key identifier: the signatures were verified when the records were made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from gateway.core.authority import Authority, AuthorityType
from gateway.core.certificate import ClientCertificate, subject_key_id
from gateway.core.crl_names import canonical_name, same_name
from gateway.core.crl_scope import names_crl_issuer
from gateway.core.crl_status import CrlPair, revocation_status
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError, CrlError

_UNREADABLE: tuple[type[Exception], ...] = (CertificateError, CrlError, *UNREADABLE)
_LONGEST_PATH = 10  # CAs; Entra's limit


@dataclass(frozen=True, slots=True)
class CrlPaths:
    """The authority records, and the CRLs in force of each as `revocation_status` takes them."""

    authorities: Sequence[Authority]
    crls: Callable[[Authority], Sequence[CrlPair]]

    def status(
        self, authority: Authority, certificate: ClientCertificate, now: datetime
    ) -> RevocationStatus:
        """The status at `now` of `certificate`, which `authority` issued; raises nothing."""
        return self._status(authority, certificate, now, ())

    def _status(
        self,
        authority: Authority,
        certificate: ClientCertificate,
        now: datetime,
        pending: tuple[bytes, ...],
    ) -> RevocationStatus:
        return revocation_status(
            authority,
            certificate,
            self.crls(authority),
            now,
            signer_status=lambda signer: self._signer(authority, signer, now, pending),
        )

    def _signer(
        self, authority: Authority, signer: bytes, now: datetime, pending: tuple[bytes, ...]
    ) -> RevocationStatus:
        """The status of who signs a CRL of `authority`; `pending` are those asked about already.

        A CRL answers for its own signer only where the signer's certificate says so: where one of
        its distribution points names it as cRLIssuer.
        """
        try:
            return self._judge(authority, signer, now, pending)
        except _UNREADABLE as error:
            return _unknown(authority.id, 0, f"a certificate of its path cannot be read: {error}")

    def _judge(
        self, authority: Authority, signer: bytes, now: datetime, pending: tuple[bytes, ...]
    ) -> RevocationStatus:
        certificate = ClientCertificate.from_der(signer)
        number = certificate.serial_number
        if signer in pending:
            if _answers_itself(certificate, signer):
                return RevocationStatus(RevocationState.GOOD, authority.id, number, "")
            return _unknown(authority.id, number, "no other CRL answers for its own certificate")
        if not certificate.not_before <= now <= certificate.not_after:
            return _unknown(authority.id, number, f"{certificate.subject} is not valid now")
        anchors = self._anchors(authority)
        if signer in anchors or signer in self._certificates(authority):
            return RevocationStatus(RevocationState.GOOD, authority.id, number, "")
        return self._along(certificate, anchors, now, (*pending, signer), ())

    def _along(
        self,
        certificate: ClientCertificate,
        anchors: frozenset[bytes],
        now: datetime,
        pending: tuple[bytes, ...],
        path: tuple[bytes, ...],
    ) -> RevocationStatus:
        """The status of the first path from `certificate` to one of `anchors` that holds.

        If none does, what is wrong with the last. `path` are the CA certificates below.
        """
        status = _unknown(
            "", certificate.serial_number, f"{certificate.subject} does not chain to the same root"
        )
        for issuer in self._issuers(certificate):
            der = issuer.certificate
            if der in path or len(path) == _LONGEST_PATH or not _is_valid(issuer, now):
                continue
            found = self._link(issuer, certificate, now, pending)
            if found.state is RevocationState.GOOD and der not in anchors:
                above = ClientCertificate.from_der(der)
                found = _both(found, self._along(above, anchors, now, pending, (*path, der)))
            if found.state is RevocationState.GOOD:
                return found
            status = found
        return status

    def _link(
        self,
        issuer: Authority,
        certificate: ClientCertificate,
        now: datetime,
        pending: tuple[bytes, ...],
    ) -> RevocationStatus:
        if issuer.exempt:
            return RevocationStatus(
                RevocationState.GOOD, issuer.id, certificate.serial_number, "no CRL is consulted"
            )
        return self._status(issuer, certificate, now, pending)

    def _issuers(self, certificate: ClientCertificate) -> Iterator[Authority]:
        """The records whose name and key identifier are those of the certificate's issuer."""
        for authority in self.authorities:
            if same_name(certificate.issuer, authority.subject):
                ca = x509.load_der_x509_certificate(authority.certificate)
                if certificate.authority_key_id in (None, subject_key_id(ca)):
                    yield authority

    def _certificates(self, authority: Authority) -> Iterator[bytes]:
        """All certificates of the CA; TLS judges the one that the chain has."""
        return (one.certificate for one in self.authorities if one.id == authority.id)

    def _anchors(self, authority: Authority) -> frozenset[bytes]:
        """The root certificates that a path from `authority` may end at."""
        reached, found = {authority.certificate}, [authority]
        for one in found:
            above = ClientCertificate.from_der(one.certificate)
            new = [up for up in self._issuers(above) if up.certificate not in reached]
            reached.update(up.certificate for up in new)
            found += new
        roots = (one for one in found if one.authority_type is AuthorityType.ROOT)
        return frozenset(one.certificate for one in roots)


def _answers_itself(certificate: ClientCertificate, der: bytes) -> bool:
    subject = x509.load_der_x509_certificate(der).subject.public_bytes()
    return names_crl_issuer(certificate, canonical_name(subject))


def _is_valid(authority: Authority, now: datetime) -> bool:
    return authority.not_before <= now <= authority.not_after


def _unknown(issuer_id: str, serial_number: int, detail: str) -> RevocationStatus:
    return RevocationStatus(RevocationState.UNKNOWN, issuer_id, serial_number, detail)


def _both(below: RevocationStatus, above: RevocationStatus) -> RevocationStatus:
    """`above` if it is not good; else the good one that ends first."""
    if above.state is not RevocationState.GOOD or below.next_update is None:
        return above
    if above.next_update is None or below.next_update < above.next_update:
        return below
    return above
