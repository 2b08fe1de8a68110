"""How authorities lie in the store's tables: one row a CA, one a certificate, one a source."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.errors import CertificateError, StateError
from gateway.store.schema import authorities, authority_certificates, authority_sources


def load_authorities(connection: Connection) -> list[Authority]:
    """One for each certificate: roots first, of one CA the newest certificate first.

    Raises StateError if one cannot be read.
    """
    table, certificates = authorities.c, authority_certificates.c
    rows = connection.execute(
        select(*table, certificates.authority_type, certificates.certificate).join_from(
            authorities, authority_certificates
        )
    ).mappings()
    sources = _load_sources(connection)
    found = [_authority(row, sources.get(row["id"], ())) for row in rows]
    found.sort(key=lambda one: one.certificate)
    found.sort(key=lambda one: one.not_before, reverse=True)
    return sorted(found, key=lambda one: (one.authority_type, one.id))


def insert_authority(connection: Connection, authority: Authority) -> None:
    """The CA is stored with its certificate and its sources."""
    row = {"id": authority.id, **_settings(authority)}
    connection.execute(insert(authorities).values(row))
    insert_certificate(connection, authority)
    for source in authority.sources:
        insert_source(connection, authority.id, source)


def insert_certificate(connection: Connection, authority: Authority) -> None:
    """The certificate is one more of its CA's."""
    row = {
        "fingerprint": fingerprint(authority),
        "authority_id": authority.id,
        "authority_type": int(authority.authority_type),
        "certificate": authority.certificate,
    }
    connection.execute(insert(authority_certificates).values(row))


def insert_source(connection: Connection, authority_id: str, source: CrlSource) -> None:
    """The CRL source is one more of its CA's."""
    row = {"authority_id": authority_id, "url": source.url, "signer": source.signer}
    connection.execute(insert(authority_sources).values(row))


def update_settings(connection: Connection, authority: Authority) -> None:
    """What concerns the CRLs of the CA is as in `authority`, but for its sources."""
    statement = update(authorities).where(authorities.c.id == authority.id)
    connection.execute(statement.values(_settings(authority)))


def fingerprint(authority: Authority) -> str:
    """SHA-256 of the certificate, lower-case hexadecimal."""
    return sha256(authority.certificate).hexdigest()


def _settings(authority: Authority) -> dict[str, object]:
    return {
        "crl_distribution_point": authority.crl_distribution_point,
        "delta_crl_distribution_point": authority.delta_crl_distribution_point,
        "backdating_seconds": round(authority.backdating.total_seconds()),
        "delta_required": authority.delta_required,
        "exempt": authority.exempt,
    }


def _load_sources(connection: Connection) -> Mapping[str, tuple[CrlSource, ...]]:
    found: dict[str, tuple[CrlSource, ...]] = {}
    rows = connection.execute(select(*authority_sources.c).order_by(authority_sources.c.url))
    for authority_id, url, signer in rows:
        found[authority_id] = (*found.get(authority_id, ()), CrlSource(url, signer))
    return found


def _authority(row: Mapping[Any, Any], sources: tuple[CrlSource, ...]) -> Authority:
    try:
        read = Authority.from_der(
            row["certificate"],
            authority_type=AuthorityType(row["authority_type"]),
            crl_distribution_point=row["crl_distribution_point"],
            delta_crl_distribution_point=row["delta_crl_distribution_point"],
            backdating=timedelta(seconds=row["backdating_seconds"]),
        )
    except (CertificateError, ValueError) as error:
        raise StateError(f"the record of CA {row['id']} cannot be read: {error}") from error
    return replace(
        read,
        id=row["id"],
        delta_required=row["delta_required"],
        exempt=row["exempt"],
        sources=sources,
    )
