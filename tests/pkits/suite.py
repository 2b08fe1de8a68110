"""PKITS against the gateway: its own chains, its own revocation engine, files served over HTTP.

Each CA of a path becomes a record, the engine fetches every CRL that the record has, and a view of
what the engine put in force is asked about each certificate below the root. What belongs to the
gateway's own policy (names, users, what the certificate is for) is left out.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import cryptography_vectors
import time_machine
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from gateway.cli.chain import build
from gateway.config import Revocation
from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.core.certificate import ClientCertificate
from gateway.core.revocation import RevocationState
from gateway.errors import CertificateError
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.view import RevocationView
from tests.pkits.cases import ROOT, Case, cases, crls_of
from tests.revocation.crl_server import crl_server

# The certificates of PKITS are valid until the end of 2030.
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_DATA = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"


@dataclass(frozen=True)
class Outcome:
    """What the gateway made of a case.

    Attributes:
        case: the case.
        accepted: the path was found and each certificate of it is good.
        detail: why not; empty if it was accepted.
    """

    case: Case
    accepted: bool
    detail: str

    @property
    def differs(self) -> bool:
        """Whether PKITS says otherwise."""
        return self.accepted is not self.case.is_valid


async def run(directory: Path) -> list[Outcome]:
    """The outcome of every case; the engine's files lie in `directory`."""
    with time_machine.travel(NOW), _negative_serial_numbers():
        async with crl_server() as server:
            server.files = {f"/{path.stem}": path.read_bytes() for path in _DATA.glob("crls/*.crl")}
            records = tuple(_records(server.url))
            engine = RevocationEngine(directory, Revocation())
            await engine.refresh_all(records)
            gateway = _Gateway(records, engine, RevocationView.load(directory, authorities=records))
            refusals = ((case, gateway.refusal(case)) for case in cases())
            return [
                Outcome(case, not why, why.replace(f"{server.url}/", "")) for case, why in refusals
            ]


@contextmanager
def _negative_serial_numbers() -> Iterator[None]:
    """Let the library read the serial numbers of 4.4.14 and 4.4.15, which it warns of."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Parsed a serial number", category=CryptographyDeprecationWarning
        )
        yield


def _records(url: str) -> Iterator[Authority]:
    """A record for each CA certificate that may be one."""
    names = {name for case in cases() for name in case.authorities}
    for name in (ROOT, *sorted(names | _signers(names))):
        try:
            yield _record(name, url)
        except CertificateError:
            # No CA certificate: `ca add` refuses it as well.
            continue


def _signers(names: set[str]) -> set[str]:
    signers = (signer for name in names for _, signer in crls_of(name).sources)
    return {signer for signer in signers if signer}


def _record(name: str, url: str) -> Authority:
    crls = crls_of(name)
    record = Authority.from_der(
        _certificate(name),
        authority_type=AuthorityType.ROOT if name == ROOT else AuthorityType.INTERMEDIATE,
        crl_distribution_point=crls.base and f"{url}/{crls.base}",
        delta_crl_distribution_point=crls.delta and f"{url}/{crls.delta}",
    )
    sources = (
        CrlSource(f"{url}/{crl}", _certificate(signer) if signer else None)
        for crl, signer in crls.sources
    )
    return replace(record, sources=tuple(sources))


def _certificate(name: str) -> bytes:
    file = f"{name}Certificate.crt" if name == ROOT else f"{name}Cert.crt"
    return (_DATA / "certs" / file).read_bytes()


@dataclass(frozen=True)
class _Gateway:
    """What of the gateway judges a path: the records, the engine and what it put in force."""

    records: Sequence[Authority]
    engine: RevocationEngine
    view: RevocationView

    def refusal(self, case: Case) -> str:
        """Why the path of `case` is refused; empty if it is not."""
        file = _DATA / "certs" / f"{case.end_entity}.crt"
        leaf = x509.load_der_x509_certificate(file.read_bytes())
        sent = [x509.load_der_x509_certificate(_certificate(name)) for name in case.authorities]
        chain = build(leaf, sent, self.records, NOW)
        if chain.denial is not None or chain.handshake:
            return (chain.denial or chain.handshake[0]).detail
        issuers = {one.certificate: one for one in self.records}
        for below, above in pairwise(chain.certificates):
            issuer = issuers[above]
            status = self.view.status(issuer, ClientCertificate.from_der(below), NOW)
            if status.state is not RevocationState.GOOD:
                return "; ".join((f"{status.state.value}: {status.detail}", *self._failed(issuer)))
        return ""

    def _failed(self, issuer: Authority) -> Iterator[str]:
        """Why CRLs of `issuer` were not believed."""
        for source in self.engine.report(issuer).sources:
            if source.last_fetch is not None and not source.last_fetch.ok:
                yield source.last_fetch.detail
