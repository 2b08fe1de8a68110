"""The certificate authority records in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypedDict, Unpack

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from sqlalchemy import Connection, delete, insert, select, update

from gateway.core.authority import Authority, AuthorityType
from gateway.errors import CertificateError, StateError
from gateway.store.database import Database, record_change
from gateway.store.schema import ChangeKind, authorities


class AuthorityFields(TypedDict, total=False):
    """What may be changed in a record; the certificate may not, as it is another CA then."""

    crl_distribution_point: str | None
    delta_crl_distribution_point: str | None
    backdating: timedelta


class Authorities:
    """Entra's verbs on the trust store; each raises StateError if the store cannot do it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, authority: Authority) -> None:
        """The record is stored.

        Raises:
            CertificateError: the CA has expired, or its issuer is not among the records.
            StateError: it is among the records already.
        """
        with self._database.writing() as connection:
            records = {record.id: record for record in load_authorities(connection)}
            if authority.id in records:
                raise StateError(f"CA {authority.id} is a record already; `ca set` changes it")
            now = self._database.now()
            _require_trust(authority, list(records.values()), now)
            connection.execute(insert(authorities).values(_row(authority)))
            record_change(connection, ChangeKind.AUTHORITY, authority.id, now)

    def get(self, authority_id: str) -> Authority:
        """The record whose id is, or alone begins with, this text; raises StateError if none is."""
        prefix = authority_id.lower().replace(":", "")
        found = [record for record in self.list() if record.id.startswith(prefix)]
        exact = [record for record in found if record.id == prefix]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise StateError(f"no CA has an id that begins with {authority_id}; see `ca list`")
        ids = ", ".join(record.id for record in found)
        raise StateError(f"{authority_id} may be any of the CAs {ids}; write more of the id")

    def list(self) -> "Sequence[Authority]":
        """Every record, roots first."""
        with self._database.reading() as connection:
            return load_authorities(connection)

    def set(self, authority_id: str, **fields: Unpack[AuthorityFields]) -> Authority:
        """The record has the given fields; returns it. Raises StateError if there is none."""
        with self._database.writing() as connection:
            chosen = select(authorities).where(authorities.c.id == authority_id)
            row = connection.execute(chosen).mappings().first()
            if row is None:
                raise StateError(f"no CA has the id {authority_id}; see `ca list`")
            old = _authority(row)
            new = replace(old, **fields)
            if new != old:
                statement = update(authorities).where(authorities.c.id == authority_id)
                connection.execute(statement.values(_row(new)))
                now = self._database.now()
                record_change(connection, ChangeKind.AUTHORITY, authority_id, now)
        return new

    def remove(self, authority_id: str) -> None:
        """The record is gone; raises StateError if there was none."""
        with self._database.writing() as connection:
            gone = connection.execute(delete(authorities).where(authorities.c.id == authority_id))
            if gone.rowcount == 0:
                raise StateError(f"no CA has the id {authority_id}; see `ca list`")
            now = self._database.now()
            record_change(connection, ChangeKind.AUTHORITY, authority_id, now)


def load_authorities(connection: Connection) -> list[Authority]:
    """Every record, roots first; raises StateError if one cannot be read."""
    rows = connection.execute(
        select(authorities).order_by(authorities.c.authority_type, authorities.c.id)
    ).mappings()
    return [_authority(row) for row in rows]


def _authority(row: Mapping[Any, Any]) -> Authority:
    try:
        return Authority.from_der(
            row["certificate"],
            authority_type=AuthorityType(row["authority_type"]),
            crl_distribution_point=row["crl_distribution_point"],
            delta_crl_distribution_point=row["delta_crl_distribution_point"],
            backdating=timedelta(seconds=row["backdating_seconds"]),
        )
    except (CertificateError, ValueError) as error:
        raise StateError(f"the record of CA {row['id']} cannot be read: {error}") from error


def _row(authority: Authority) -> dict[str, object]:
    return {
        "id": authority.id,
        "authority_type": int(authority.authority_type),
        "certificate": authority.certificate,
        "crl_distribution_point": authority.crl_distribution_point,
        "delta_crl_distribution_point": authority.delta_crl_distribution_point,
        "backdating_seconds": round(authority.backdating.total_seconds()),
    }


def _require_trust(authority: Authority, records: list[Authority], now: datetime) -> None:
    """Entra's rules for a new record: not expired, and its issuer known before it."""
    name = authority.trusted_issuer
    if authority.not_after < now:
        raise CertificateError(f"{name} expired at {authority.not_after.isoformat()}")
    certificate = x509.load_der_x509_certificate(authority.certificate)
    if authority.authority_type is AuthorityType.ROOT:
        if not _is_issued_by(certificate, authority):
            raise CertificateError(f"{name} is not a root: its own key did not sign it")
        return
    if not any(_is_issued_by(certificate, record) for record in records):
        issuer = certificate.issuer.rfc4514_string()
        raise CertificateError(
            f"{name} was issued by {issuer}, which is not among the CAs; add its root first"
        )


def _is_issued_by(certificate: x509.Certificate, authority: Authority) -> bool:
    issuer = x509.load_der_x509_certificate(authority.certificate)
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
