"""How CA records and their CRLs are shown; the names in JSON are Entra's, as far as it has them."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.cli.tables import iso
from gateway.core.authority import Authority, AuthorityType
from gateway.core.crl import CrlKind

if TYPE_CHECKING:
    from gateway.revocation.report import AuthorityReport, SourceReport


def list_row(authority: Authority, report: "AuthorityReport") -> Sequence[object]:
    """The cells of `ca list`."""
    return (
        authority.id,
        _type_name(authority),
        authority.trusted_issuer,
        authority.not_after,
        "; ".join(_fetch_text(source) for source in report.sources),
        "; ".join(crl_text(source) for source in report.sources) or "no CRL URL",
        _refused_text(report),
    )


def warnings_of(report: "AuthorityReport") -> list[str]:
    """A sentence for each limit that a download of this CA comes near."""
    return [warning for source in report.sources for warning in source.warnings]


def to_json(authority: Authority, report: "AuthorityReport") -> dict[str, object]:
    """The record as Entra's CertificateAuthorityInformation, and what its CRLs do here."""
    sources = {source.name: source for source in report.sources}
    return {
        "id": authority.id,
        "authorityType": int(authority.authority_type),
        "trustedCertificate": b64encode(authority.certificate).decode(),
        "crlDistributionPoint": authority.crl_distribution_point,
        "deltaCrlDistributionPoint": authority.delta_crl_distribution_point,
        "trustedIssuer": authority.trusted_issuer,
        "trustedIssuerSKI": authority.key_id,
        "fingerprint": sha256(authority.certificate).hexdigest(),
        "backdatingSeconds": round(authority.backdating.total_seconds()),
        "deltaRequired": authority.delta_required,
        "exempt": authority.exempt,
        "notBefore": authority.not_before,
        "notAfter": authority.not_after,
        "revocation": {
            "refusedFrom": report.refused_from,
            "base": _source_json(sources.get(CrlKind.BASE.value)),
            "delta": _source_json(sources.get(CrlKind.DELTA.value)),
            "sources": [_source_json(sources.get(one.name)) for one in authority.sources],
        },
    }


def to_pairs(records: Sequence[Authority], report: "AuthorityReport") -> list[tuple[str, object]]:
    """The CA line by line, for people; `records` are its certificates."""
    authority = records[0]
    pairs: list[tuple[str, object]] = [("id", authority.id), ("subject", authority.trusted_issuer)]
    for one in records:
        pairs += [
            ("type", _type_name(one)),
            ("certificate", sha256(one.certificate).hexdigest()),
            ("valid from", one.not_before),
            ("valid until", one.not_after),
        ]
    pairs += [
        ("CRL URL", authority.crl_distribution_point),
        ("delta CRL URL", authority.delta_crl_distribution_point),
        ("delta required", authority.delta_required),
        ("exempt", authority.exempt),
        ("backdating", f"{authority.backdating.total_seconds():.0f} s"),
    ]
    for source in report.sources:
        pairs += _source_pairs(source)
    return [*pairs, ("refused from", _refused_text(report))]


def crl_text(source: "SourceReport") -> str:
    """The CRL in force, or why there is none."""
    if source.accepted is None:
        fetched = source.last_fetch
        return f"none: {fetched.detail}" if fetched else "none: not fetched yet"
    facts = source.accepted.facts
    entries = "1 entry" if source.entries == 1 else f"{source.entries} entries"
    until = f"{facts.next_update:%Y-%m-%d %H:%M}Z"
    return f"{facts.text}, {entries}, {facts.source_size} bytes, in force until {until}"


def _type_name(authority: Authority) -> str:
    return "root" if authority.authority_type is AuthorityType.ROOT else "intermediate"


def _refused_text(report: "AuthorityReport") -> object:
    """When refusals begin unless a newer CRL comes."""
    if report.exempt:
        return "never: exempt"
    begins = report.refused_from
    if begins is None:
        return "now"
    return begins if begins > datetime.now(UTC) else f"now, since {iso(begins)}"


def _fetch_text(source: "SourceReport") -> str:
    fetched = source.last_fetch
    if fetched is None:
        return "never"
    return f"{fetched.fetched_at:%Y-%m-%d %H:%M:%S}Z {'ok' if fetched.ok else 'FAILED'}"


def _source_pairs(source: "SourceReport") -> list[tuple[str, object]]:
    names = {CrlKind.BASE.value: "CRL", CrlKind.DELTA.value: "delta CRL"}
    name = names.get(source.name, "source")
    pairs: list[tuple[str, object]] = [(name, crl_text(source))]
    if name == "source":
        pairs.insert(0, ("source URL", source.url))
    if source.last_fetch is not None:
        pairs.append((f"{name} fetched", source.last_fetch.fetched_at))
        pairs.append((f"{name} fetch", source.last_fetch.detail))
    return [*pairs, *(("warning", warning) for warning in source.warnings)]


def _source_json(source: "SourceReport | None") -> dict[str, object] | None:
    if source is None:
        return None
    fetched, accepted = source.last_fetch, source.accepted
    facts = accepted.facts if accepted else None
    return {
        "url": source.url,
        "required": source.required,
        "lastFetch": fetched.fetched_at if fetched else None,
        "result": None if fetched is None else "ok" if fetched.ok else "failed",
        "detail": fetched.detail if fetched else None,
        "downloadSeconds": fetched.download_seconds if fetched else None,
        "effectiveDate": facts.this_update if facts else None,
        "nextUpdate": facts.next_update if facts else None,
        "acceptedAt": accepted.accepted_at if accepted else None,
        "crlNumber": facts.crl_number if facts else None,
        "entries": source.entries,
        "size": facts.source_size if facts else None,
        "warnings": list(source.warnings),
    }
