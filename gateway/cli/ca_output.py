"""How CA records and their CRLs are shown; the names in JSON are Entra's."""

from base64 import b64encode
from typing import TYPE_CHECKING

from gateway.core.authority import Authority, AuthorityType
from gateway.core.crl import CrlKind

if TYPE_CHECKING:
    from gateway.revocation.report import AuthorityReport, SourceReport


def type_name(authority: Authority) -> str:
    """Root or intermediate, as `ca add --type` has it."""
    return "root" if authority.authority_type is AuthorityType.ROOT else "intermediate"


def to_json(authority: Authority, report: "AuthorityReport") -> dict[str, object]:
    """The record as Entra's CertificateAuthorityInformation, and what its CRLs do here."""
    sources = {source.kind: source for source in report.sources}
    return {
        "authorityType": int(authority.authority_type),
        "trustedCertificate": b64encode(authority.certificate).decode(),
        "crlDistributionPoint": authority.crl_distribution_point,
        "deltaCrlDistributionPoint": authority.delta_crl_distribution_point,
        "trustedIssuer": authority.trusted_issuer,
        "trustedIssuerSKI": authority.id,
        "backdatingSeconds": round(authority.backdating.total_seconds()),
        "notBefore": authority.not_before,
        "notAfter": authority.not_after,
        "revocation": {
            "refusedFrom": report.refused_from,
            "base": _source_json(sources.get(CrlKind.BASE)),
            "delta": _source_json(sources.get(CrlKind.DELTA)),
        },
    }


def to_pairs(authority: Authority, report: "AuthorityReport") -> list[tuple[str, object]]:
    """The record line by line, for people."""
    pairs: list[tuple[str, object]] = [
        ("id", authority.id),
        ("type", type_name(authority)),
        ("subject", authority.trusted_issuer),
        ("valid from", authority.not_before),
        ("valid until", authority.not_after),
        ("CRL URL", authority.crl_distribution_point),
        ("delta CRL URL", authority.delta_crl_distribution_point),
        ("backdating", f"{authority.backdating.total_seconds():.0f} s"),
    ]
    for source in report.sources:
        name = "CRL" if source.kind is CrlKind.BASE else "delta CRL"
        pairs.append((name, crl_text(source)))
        if source.last_fetch is not None:
            pairs.append((f"{name} fetched", source.last_fetch.fetched_at))
            pairs.append((f"{name} fetch", source.last_fetch.detail))
    return pairs


def crl_summary(report: "AuthorityReport") -> str:
    """Every CRL of an authority in one line."""
    return "; ".join(crl_text(source) for source in report.sources) or "no CRL URL"


def crl_text(source: "SourceReport") -> str:
    """The CRL in force, or why there is none."""
    if source.accepted is None:
        fetched = source.last_fetch
        return f"none: {fetched.detail}" if fetched else "none: not fetched yet"
    facts = source.accepted.facts
    entries = "1 entry" if source.entries == 1 else f"{source.entries} entries"
    until = f"{facts.next_update:%Y-%m-%d %H:%M}Z"
    return f"{facts.text}, {entries}, {facts.source_size} bytes, in force until {until}"


def _source_json(source: "SourceReport | None") -> dict[str, object] | None:
    if source is None:
        return None
    fetched, accepted = source.last_fetch, source.accepted
    facts = accepted.facts if accepted else None
    return {
        "url": source.url,
        "lastFetch": fetched.fetched_at if fetched else None,
        "result": None if fetched is None else "ok" if fetched.ok else "failed",
        "detail": fetched.detail if fetched else None,
        "effectiveDate": facts.this_update if facts else None,
        "nextUpdate": facts.next_update if facts else None,
        "acceptedAt": accepted.accepted_at if accepted else None,
        "crlNumber": facts.crl_number if facts else None,
        "entries": source.entries,
        "size": facts.source_size if facts else None,
    }
