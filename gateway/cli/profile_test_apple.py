"""What `profile test` finds in an Apple configuration profile."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_certificate import check_identity
from gateway.cli.profile_gateway import Gateway, check_host, check_owner
from gateway.cli.profile_input import is_variable
from gateway.cli.profile_request import check_acme, check_scep
from gateway.cli.profile_trust import check_trusted
from gateway.errors import ProfileError
from gateway.profiles import schema
from gateway.profiles.cms import Signature
from gateway.profiles.pkcs12 import unpack
from gateway.profiles.reading import AppleProfile, shown

_EAS = "com.apple.eas.account"
_PKCS12 = "com.apple.security.pkcs12"
_SCEP = "com.apple.security.scep"
_ACME = "com.apple.security.acme"
_IDENTITIES = (_PKCS12, _SCEP, _ACME)
_ENDS = ("RemovalDate", "PayloadExpirationDate")

_Payload = Mapping[str, Any]


def check_apple(profile: AppleProfile, gateway: Gateway, password: str | None) -> Iterator[Finding]:
    """Every point of the profile; `password` opens a PKCS#12 whose password it does not hold."""
    yield from _check_signature(profile.signature, gateway.now)
    for problem in schema.problems(profile.values):
        yield (fail if problem.fatal else warn)(problem.key, problem.detail)
    for key in _ENDS:
        end = profile.values.get(key)
        if isinstance(end, datetime) and end.replace(tzinfo=UTC) < gateway.now:
            yield fail(key, f"the profile removed itself at {end.isoformat()}; set a later time")
    found = list(schema.payloads(profile.values))
    mail = [(where, one) for where, one in found if one.get("PayloadType") == _EAS]
    if not mail:
        yield fail("PayloadContent", f"it has no payload of the type {_EAS}, so no mailbox")
    for where, payload in mail:
        yield from _check_mail(where, payload, found, gateway, password)
    yield from check_trusted(found, gateway)


def _check_signature(signature: Signature | None, now: datetime) -> Iterator[Finding]:
    if signature is None:
        yield warn("signature", "it is not signed, and phones show it as such; --signer signs")
        return
    if signature.problem is not None:
        yield fail("signature", f"{signature.problem}; sign the profile again")
        return
    signer = signature.signer
    if signer is None or signature.doubt is not None:
        yield warn("signature", f"whether it holds is not known: {signature.doubt}")
        return
    name = signer.subject.rfc4514_string()
    if not signer.not_valid_before_utc <= now <= signer.not_valid_after_utc:
        ends = signer.not_valid_after_utc.isoformat()
        yield warn("signature", f"the certificate of {name} is valid until {ends}; sign again")
    elif not _has_issuer(signer, signature.certificates):
        detail = f"the CA above {name} is not included; give --signer a file with the chain"
        yield warn("signature", detail)
    else:
        yield ok("signature", f"signed by {name}, and unchanged since")


def _has_issuer(signer: x509.Certificate, included: tuple[x509.Certificate, ...]) -> bool:
    return any(one.subject == signer.issuer for one in included)


def _check_mail(
    where: str,
    payload: _Payload,
    found: list[tuple[str, _Payload]],
    gateway: Gateway,
    password: str | None,
) -> Iterator[Finding]:
    if "Host" in payload:
        yield from check_host(f"{where}.Host", payload["Host"], gateway)
    else:
        detail = "it is missing, so the phone asks Autodiscover; set it to the gateway's host name"
        yield warn(f"{where}.Host", detail)
    if payload.get("SSL") is not True:
        yield fail(f"{where}.SSL", "it is not true, so there is no TLS; set it to true")
    else:
        yield ok(f"{where}.SSL", "TLS is used")
    yield from _check_exchange_online(where, payload)
    if payload.get("EnableMail") is False:
        yield warn(f"{where}.EnableMail", "mail is off until the phone's owner turns it on")
    email, user = payload.get("EmailAddress"), payload.get("UserName")
    yield from check_owner((f"{where}.EmailAddress", email), (f"{where}.UserName", user), gateway)
    sent = next((one for one in (user, email) if isinstance(one, str) and one), None)
    sent = None if sent is None or is_variable(sent) else sent
    yield from _check_link(where, payload, found, gateway, (sent, password))


def _check_exchange_online(where: str, payload: _Payload) -> Iterator[Finding]:
    if payload.get("OAuth") is True:
        detail = "the phone would ask Exchange Online for a token, not show a certificate"
        yield fail(f"{where}.OAuth", f"{detail}; set it to false")
    for key in ("OAuthSignInURL", "OAuthTokenRequestURL"):
        if key in payload:
            yield warn(f"{where}.{key}", "it belongs to OAuth; remove it")
    if payload.get("Password"):
        yield warn(f"{where}.Password", "a password is not asked for and lies open; remove it")


def _check_link(
    where: str,
    payload: _Payload,
    found: list[tuple[str, _Payload]],
    gateway: Gateway,
    secrets: tuple[str | None, str | None],
) -> Iterator[Finding]:
    """Whether the mailbox has an identity, and what that is; `secrets` are User and password."""
    key, wanted = f"{where}.PayloadCertificateUUID", payload.get("PayloadCertificateUUID")
    if wanted is None:
        yield from _check_own_certificate(where, payload, gateway, secrets)
        return
    if "Certificate" in payload:
        yield warn(f"{where}.Certificate", "it is passed over, as PayloadCertificateUUID is there")
    linked = [
        (place, one)
        for place, one in found
        if isinstance(wanted, str) and str(one.get("PayloadUUID")).lower() == wanted.lower()
    ]
    if not linked:
        detail = f"no payload of this profile has the PayloadUUID {shown(wanted)}"
        yield fail(key, f"{detail}; write the PayloadUUID of {_identities(found)}")
        return
    place, identity = linked[0]
    if identity.get("PayloadType") not in _IDENTITIES:
        kind = shown(identity.get("PayloadType"))
        detail = f"{place} is {kind}, which has no key"
        yield fail(key, f"{detail}; write the PayloadUUID of {_identities(found)}")
        return
    yield ok(key, f"the identity is {place}, {identity['PayloadType']}")
    yield from _check_linked(place, identity, gateway, secrets)


def _identities(found: list[tuple[str, _Payload]]) -> str:
    places = [place for place, one in found if one.get("PayloadType") in _IDENTITIES]
    return " or ".join(places) or "an identity payload (pkcs12, scep or acme), which has to be made"


def _check_linked(
    place: str,
    identity: _Payload,
    gateway: Gateway,
    secrets: tuple[str | None, str | None],
) -> Iterator[Finding]:
    user, password = secrets
    kind = identity["PayloadType"]
    if kind == _SCEP:
        request = identity.get("PayloadContent")
        if isinstance(request, dict):
            yield from check_scep(f"{place}.PayloadContent", request, user, gateway)
    elif kind == _ACME:
        yield from check_acme(place, identity, user, gateway)
    else:
        held = identity.get("Password")
        if held:
            detail = "it lies beside the key, for whoever reads the file"
            advice = "deliver the profile by device management alone, or remove it"
            yield warn(f"{place}.Password", f"{detail}; {advice}")
        opening = held if isinstance(held, str) else password
        key = f"{place}.PayloadContent"
        yield from _check_pkcs12(key, identity.get("PayloadContent"), gateway, (user, opening))


def _check_own_certificate(
    where: str,
    payload: _Payload,
    gateway: Gateway,
    secrets: tuple[str | None, str | None],
) -> Iterator[Finding]:
    """The older way: a PKCS#12 in the mail payload itself."""
    if "Certificate" not in payload:
        detail = "it is missing, so the phone has no certificate to show"
        key = f"{where}.PayloadCertificateUUID"
        yield fail(key, f"{detail}; set it to the PayloadUUID of an identity payload")
        return
    user, password = secrets
    held = payload.get("CertificatePassword")
    opening = held if isinstance(held, str) else password
    key = f"{where}.Certificate"
    yield from _check_pkcs12(key, payload["Certificate"], gateway, (user, opening))


def _check_pkcs12(
    key: str, content: object, gateway: Gateway, secrets: tuple[str | None, str | None]
) -> Iterator[Finding]:
    user, password = secrets
    if not isinstance(content, bytes):
        return
    if password is None:
        detail = "its certificate was not tested: --p12-password-file FILE opens it"
        yield warn(key, detail)
        return
    try:
        opened = unpack(content, password)
    except ProfileError as error:
        yield fail(key, str(error))
        return
    yield from check_identity(key, opened, user, gateway)
