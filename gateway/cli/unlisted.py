"""Which certificates that phones showed are on no CRL in force."""

from collections.abc import Sequence

from gateway.config import Config
from gateway.core.authority import Authority
from gateway.core.crl_entries import CrlReason
from gateway.core.crl_names import canonical_name
from gateway.core.crl_status import CrlInForce, CrlPair
from gateway.errors import CrlError
from gateway.revocation.view import RevocationView
from gateway.store.certificates import SeenCertificate


def unlisted(
    config: Config, authorities: Sequence[Authority], seen: Sequence[SeenCertificate]
) -> Sequence[SeenCertificate]:
    """Those of `seen` that one of `authorities` issued, and that none of its CRLs lists."""
    view = RevocationView.load(config.state.crl_directory, authorities=authorities)
    by_id = {one.id: one for one in authorities}
    return [
        one
        for one in seen
        if one.issuer_id in by_id and not _is_listed(view, by_id[one.issuer_id], one.serial_number)
    ]


def is_listed(
    config: Config, authorities: Sequence[Authority], issuer_id: str, serial_number: int
) -> bool:
    """Whether a CRL in force of the CA record `issuer_id` lists this certificate."""
    issuer = next((one for one in authorities if one.id == issuer_id), None)
    if issuer is None:
        return False
    view = RevocationView.load(config.state.crl_directory, authorities=authorities)
    return _is_listed(view, issuer, serial_number)


def _is_listed(view: RevocationView, authority: Authority, serial_number: int) -> bool:
    if authority.exempt:
        return False
    try:
        issuer = canonical_name(authority.subject)
    except CrlError:
        return False
    return any(_lists(pair, issuer, serial_number) for pair in view.crls(authority))


def _lists(pair: CrlPair, issuer: bytes, serial_number: int) -> bool:
    """The newer of base and delta decides, as when the certificate is judged."""
    crls = [one for one in (pair.delta, pair.base) if one is not None and not isinstance(one, str)]
    crls.sort(key=_number, reverse=True)
    for crl in crls:
        entry = crl.entries.find(issuer, serial_number)
        if entry is not None:
            return entry.reason is not CrlReason.REMOVE_FROM_CRL
    return False


def _number(crl: CrlInForce) -> int:
    return crl.accepted.facts.crl_number or 0
