"""Whether a phone with this profile would trust the gateway's own certificate."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_gateway import Gateway
from gateway.core.unreadable import UNREADABLE

_KINDS = tuple(f"com.apple.security.{kind}" for kind in ("root", "pkcs1", "pem"))


def check_trusted(
    found: Sequence[tuple[str, Mapping[str, Any]]], gateway: Gateway
) -> Iterator[Finding]:
    """The CA payloads: readable, valid, and above the gateway's certificate."""
    authorities: list[x509.Certificate] = []
    for where, payload in found:
        if payload.get("PayloadType") not in _KINDS:
            continue
        key, content = f"{where}.PayloadContent", payload.get("PayloadContent")
        if not isinstance(content, bytes):
            continue
        try:
            certificate = _load(content)
            ends = certificate.not_valid_after_utc
        except UNREADABLE as error:
            yield fail(key, f"it is no certificate: {error}")
            continue
        authorities.append(certificate)
        if ends < gateway.now:
            yield fail(key, f"the CA expired at {ends.isoformat()}; put the new one in")
    if authorities and gateway.server:
        yield _above(authorities, gateway.server)


def _load(content: bytes) -> x509.Certificate:
    if content.lstrip().startswith(b"-----BEGIN"):
        return x509.load_pem_x509_certificate(content)
    return x509.load_der_x509_certificate(content)


def _above(authorities: Sequence[x509.Certificate], server: Sequence[x509.Certificate]) -> Finding:
    if any(_issued(one, authority) for one in server for authority in authorities):
        return ok("PayloadContent", "a CA in it vouches for the gateway's own certificate")
    return warn(
        "PayloadContent",
        "no CA in it vouches for the gateway's own certificate; unless the phone trusts that by"
        " itself, add its root (--root)",
    )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False
    except UNREADABLE:
        return False
    return True
