"""The trust store: Entra's verbs on certificate authority records.

A record is a certificate. Certificates with one name and one key are of one CA and share its id,
its CRLs and its settings, so that a renewed or cross-signed certificate stands beside the old one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import TypedDict, Unpack

from sqlalchemy import Connection, delete

from gateway.core.authority import Authority, CrlSource
from gateway.errors import CertificateError, StateError
from gateway.store import authority_rows as rows
from gateway.store.authority_rows import load_authorities
from gateway.store.database import Database, record_change
from gateway.store.schema import (
    ChangeKind,
    authorities,
    authority_certificates,
    authority_sources,
)
from gateway.store.trust import is_same_ca, require_crls, require_source, require_trust

_SOURCES_LIMIT = 32  # each is fetched one after the other


class AuthorityFields(TypedDict, total=False):
    """What may be changed of a CA; its certificates may not, as they are other records then."""

    crl_distribution_point: str | None
    delta_crl_distribution_point: str | None
    backdating: timedelta
    delta_required: bool
    exempt: bool


class Authorities:
    """Each verb raises StateError if the store cannot do it or the change is refused."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, authority: Authority, *, crl_required: bool = False) -> Authority:
        """The certificate is trusted; returns its record, with the id of its CA.

        What is not said of the CRLs of a CA that is known already is as it is known.

        Raises:
            CertificateError: the record would never work, such as that of an expired CA, or, with
                `crl_required`, of one that is not exempt and has no CRL.
            StateError: it is there already, or says something else of the CRLs of its CA.
        """
        with self._database.writing() as connection:
            now = self._database.now()
            record = add_authority(connection, authority, now)
            if crl_required and not record.exempt and not record.has_crl:
                raise CertificateError(
                    f"without a CRL all certificates of {record.trusted_issuer} are refused: "
                    "say where it is with --crl URL, or --exempt to consult none"
                )
            record_change(connection, ChangeKind.AUTHORITY, record.id, now)
        return record

    def get(self, authority_id: str) -> Authority:
        """The newest record of the CA whose id is, or alone begins with, this text."""
        return self.certificates(authority_id)[0]

    def certificates(self, authority_id: str) -> "Sequence[Authority]":
        """Every record of one CA, found as `get` does it, newest first; StateError if none is."""
        prefix = authority_id.lower().replace(":", "")
        records = sorted(self.list(), key=lambda one: one.not_before, reverse=True)
        ids = sorted({one.id for one in records if one.id.startswith(prefix)})
        if prefix not in ids and len(ids) > 1:
            several = ", ".join(ids)
            raise StateError(
                f"{authority_id} may be any of the CAs {several}; write more of the id"
            )
        if not ids:
            raise StateError(f"no CA has an id that begins with {authority_id}; see `ca list`")
        chosen = prefix if prefix in ids else ids[0]
        return [one for one in records if one.id == chosen]

    def list(self) -> "Sequence[Authority]":
        """Every record, roots first, and the newest of one CA first."""
        with self._database.reading() as connection:
            return load_authorities(connection)

    def set(self, authority_id: str, **fields: Unpack[AuthorityFields]) -> Authority:
        """The CA has the given fields; returns its newest record.

        Raises CertificateError if its CRL could be signed by nobody then.
        """
        with self._database.writing() as connection:
            old = _records_of(connection, authority_id)
            new = [replace(one, **fields) for one in old]
            if new != old:
                require_crls(new[0])
                rows.update_settings(connection, new[0])
                self._changed(connection, authority_id)
        return new[0]

    def add_source(self, authority_id: str, source: CrlSource) -> Authority:
        """The CA has one CRL source more; raises CertificateError if its signer cannot be one."""
        with self._database.writing() as connection:
            known = _records_of(connection, authority_id)
            new = [replace(one, sources=(*one.sources, source)) for one in known]
            require_crls(new[0])
            _require_new_source(known[0], source)
            require_source(source, load_authorities(connection), self._database.now())
            rows.insert_source(connection, authority_id, source)
            self._changed(connection, authority_id)
        return new[0]

    def remove_source(self, authority_id: str, url: str) -> Authority:
        """The CA has no CRL source with this URL any more; returns its newest record."""
        with self._database.writing() as connection:
            known = _records_of(connection, authority_id)[0]
            gone = connection.execute(
                delete(authority_sources).where(
                    authority_sources.c.authority_id == authority_id, authority_sources.c.url == url
                )
            )
            if gone.rowcount == 0:
                raise StateError(f"CA {authority_id} has no source {url}; see `ca source list`")
            self._changed(connection, authority_id)
        return replace(known, sources=tuple(one for one in known.sources if one.url != url))

    def remove(self, authority_id: str) -> None:
        """The CA is gone with all its certificates; raises StateError if there was none."""
        with self._database.writing() as connection:
            _records_of(connection, authority_id)
            connection.execute(delete(authorities).where(authorities.c.id == authority_id))
            self._changed(connection, authority_id)

    def remove_certificate(self, authority_id: str, fingerprint: str) -> Authority:
        """One of several certificates of a CA is gone; returns its record as it was.

        `fingerprint` is, or alone begins, its SHA-256. Raises StateError if it is the last one.
        """
        prefix = fingerprint.lower().replace(":", "")
        with self._database.writing() as connection:
            records = _records_of(connection, authority_id)
            found = [one for one in records if rows.fingerprint(one).startswith(prefix)]
            if len(found) != 1:
                number = len(found) or "no"
                raise StateError(
                    f"CA {authority_id} has {number} certificate whose SHA-256 begins with "
                    f"{fingerprint}; see `ca show {authority_id}`"
                )
            if len(records) == 1:
                raise StateError(f"it is the only certificate of CA {authority_id}: remove the CA")
            connection.execute(
                delete(authority_certificates).where(
                    authority_certificates.c.fingerprint == rows.fingerprint(found[0])
                )
            )
            self._changed(connection, authority_id)
        return found[0]

    def _changed(self, connection: Connection, authority_id: str) -> None:
        record_change(connection, ChangeKind.AUTHORITY, authority_id, self._database.now())


def add_authority(connection: Connection, authority: Authority, now: datetime) -> Authority:
    """Store a new record within a write; raises as `Authorities.add` does."""
    records = load_authorities(connection)
    for known in records:
        if known.certificate == authority.certificate:
            raise StateError(f"CA {known.id} is a record already; `ca set` changes it")
    require_trust(authority, records, now)
    for source in authority.sources:
        require_source(source, [*records, authority], now)
    ca = next((one for one in records if is_same_ca(one, authority)), None)
    if ca is None:
        record = replace(authority, id=_free_id(authority.id, {one.id for one in records}))
        rows.insert_authority(connection, record)
        return record
    _require_agreement(authority, ca)
    record = replace(authority, id=ca.id, **_shared(ca))
    record = replace(record, sources=ca.sources)
    rows.insert_certificate(connection, record)
    return record


def _shared(ca: Authority) -> AuthorityFields:
    """What every certificate of a CA has in common."""
    return {
        "crl_distribution_point": ca.crl_distribution_point,
        "delta_crl_distribution_point": ca.delta_crl_distribution_point,
        "backdating": ca.backdating,
        "delta_required": ca.delta_required,
        "exempt": ca.exempt,
    }


_UNSAID: Mapping[str, object] = {
    "crl_distribution_point": None,
    "delta_crl_distribution_point": None,
    "backdating": timedelta(0),
    "delta_required": True,
    "exempt": False,
    "sources": (),
}


def _require_agreement(authority: Authority, ca: Authority) -> None:
    """Refuse a further certificate that says something else of the CRLs of its CA."""
    for field, unsaid in _UNSAID.items():
        wanted, known = getattr(authority, field), getattr(ca, field)
        if wanted not in (unsaid, known):
            raise StateError(
                f"{authority.trusted_issuer} is CA {ca.id}, another certificate of which is "
                f"known with another {field}; leave it out, and change it with `ca set {ca.id}` "
                f"or `ca source add {ca.id}`"
            )


def _require_new_source(known: Authority, source: CrlSource) -> None:
    if source.url in known.urls:
        raise StateError(f"CA {known.id} is asked at {source.url} already")
    if len(known.sources) >= _SOURCES_LIMIT:
        raise StateError(f"CA {known.id} has {_SOURCES_LIMIT} sources; more are not supported")


def _free_id(key_id: str, taken: set[str]) -> str:
    """The id of a new CA: another one may have the same SKI."""
    if key_id not in taken:
        return key_id
    return next(one for n in count(2) if (one := f"{key_id}-{n}") not in taken)


def _records_of(connection: Connection, authority_id: str) -> list[Authority]:
    found = [one for one in load_authorities(connection) if one.id == authority_id]
    if not found:
        raise StateError(f"no CA has the id {authority_id}; see `ca list`")
    return sorted(found, key=lambda one: one.not_before, reverse=True)
