"""What `profile test` finds about a certificate that the phone is yet to ask for."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.cli.ca_input import is_http_url
from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_gateway import Gateway
from gateway.cli.profile_input import is_variable
from gateway.core.names import fold
from gateway.profiles.keys import CLIENT_AUTH
from gateway.profiles.reading import shown

_SAN: Final = {"PrincipalName": "ntPrincipalName", "RFC822Name": "rfc822Name"}
_SIGN: Final = 1
_LEAST_RSA: Final = 2048
_EC_BITS: Final = (256, 384, 521)
_HARDWARE_BITS: Final = (256, 384)


def check_scep(
    where: str, request: Mapping[str, Any], user: str | None, gateway: Gateway
) -> Iterator[Finding]:
    """A SCEP payload's request: server, key, usage and names."""
    yield from _check_url(f"{where}.URL", request.get("URL"))
    size = request.get("Keysize", 1024)
    key = f"{where}.Keysize"
    if isinstance(size, int) and size < _LEAST_RSA:
        absent = "" if "Keysize" in request else ", as it is where the key is missing"
        yield fail(key, f"{shown(size)} bits{absent}, which TLS refuses; set it to {_LEAST_RSA}")
    else:
        yield ok(key, f"{shown(size)} bits")
    yield from _check_signing(f"{where}.Key Usage", request.get("Key Usage"))
    if not request.get("Challenge"):
        yield warn(f"{where}.Challenge", "it is missing; most SCEP servers refuse the request then")
    if str(request.get("URL")).startswith("http:") and "CAFingerprint" not in request:
        detail = "it is missing and the URL is plain http, so the CA could be anybody's"
        yield warn(f"{where}.CAFingerprint", detail)
    yield from _check_names(where, request.get("SubjectAltName"), user, gateway)


def check_acme(
    where: str, request: Mapping[str, Any], user: str | None, gateway: Gateway
) -> Iterator[Finding]:
    """An ACME payload: server, key, usages and names."""
    yield from _check_url(f"{where}.DirectoryURL", request.get("DirectoryURL"))
    yield from _check_acme_key(where, request)
    yield from _check_signing(f"{where}.UsageFlags", request.get("UsageFlags"))
    usages = request.get("ExtendedKeyUsage")
    key = f"{where}.ExtendedKeyUsage"
    if isinstance(usages, list) and CLIENT_AUTH not in usages:
        yield fail(key, f"it lacks clientAuth; add {CLIENT_AUTH}")
    elif usages is None:
        yield warn(key, f"it is missing, so the server decides; set it to [{CLIENT_AUTH}]")
    yield from _check_names(where, request.get("SubjectAltName"), user, gateway)


def _check_acme_key(where: str, request: Mapping[str, Any]) -> Iterator[Finding]:
    key, kind, size = f"{where}.KeySize", request.get("KeyType"), request.get("KeySize")
    bound = request.get("HardwareBound") is True
    if bound and kind != "ECSECPrimeRandom":
        detail = "a HardwareBound key is on an elliptic curve; write ECSECPrimeRandom"
        yield fail(f"{where}.KeyType", detail)
    elif kind == "RSA" and isinstance(size, int) and size < _LEAST_RSA:
        yield fail(key, f"{shown(size)} bits, which TLS refuses; set it to {_LEAST_RSA}")
    elif kind == "ECSECPrimeRandom" and size not in (_HARDWARE_BITS if bound else _EC_BITS):
        detail = f"{shown(size)} is no size of a curve for this key"
        yield fail(key, f"{detail}; set it to 256 or 384")
    if request.get("Attest") is True and not bound:
        yield fail(f"{where}.Attest", "only a HardwareBound key can be attested")


def _check_url(key: str, url: object) -> Iterator[Finding]:
    if isinstance(url, str) and not is_variable(url) and not is_http_url(url):
        yield fail(key, f"{shown(url)} is no URL of the form https://HOST/PATH")


def _check_signing(key: str, usage: object) -> Iterator[Finding]:
    if isinstance(usage, int) and not usage & _SIGN:
        yield fail(
            key, f"{shown(usage)} lacks 1, signing, which a TLS handshake needs; set it to 5"
        )


def _check_names(
    where: str, names: object, user: str | None, gateway: Gateway
) -> Iterator[Finding]:
    key = f"{where}.SubjectAltName"
    given = names if isinstance(names, dict) else {}
    usable = {field: _texts(given.get(_SAN[field])) for field in gateway.name_fields}
    if not any(usable.values()):
        yield from _without_names(key, gateway)
        return
    for field, values in usable.items():
        for value in values:
            yield from _check_name(f"{key}.{_SAN[field]}", field, value, gateway)
    yield from _check_same(key, usable, user, gateway)


def _without_names(key: str, gateway: Gateway) -> Iterator[Finding]:
    if gateway.other_fields:
        others = ", ".join(gateway.other_fields)
        yield warn(key, f"it has no name of the owner, so {others} has to lead to the mailbox")
        return
    wanted = " or ".join(_SAN[field] for field in gateway.name_fields)
    detail = f"it has no {wanted}, so the certificate leads to no mailbox"
    yield fail(key, f"{detail}; set one to the owner's UPN or address")


def _check_name(key: str, field: str, value: str, gateway: Gateway) -> Iterator[Finding]:
    if is_variable(value):
        yield ok(key, f"{shown(value)} is filled in by the device management")
        return
    found = gateway.has_mailbox(field, value)
    if found:
        yield ok(key, f"{shown(value)} leads to a mailbox")
    elif found is not None:
        kind = "UPN" if field == "PrincipalName" else "address"
        yield fail(key, f"no mailbox has the {kind} {shown(value)}; write the owner's")


def _check_same(
    key: str, usable: Mapping[str, list[str]], user: str | None, gateway: Gateway
) -> Iterator[Finding]:
    """Two names of different mailboxes are refused, and so is another's name as the User."""
    values = [value for one in usable.values() for value in one]
    found = {box.key: box for value in values if (box := gateway.find(value)) is not None}
    if len(found) > 1:
        named = ", ".join(box.upn for box in found.values())
        yield fail(key, f"its names lead to different mailboxes, {named}; keep one's")
    owner = gateway.find(user) if user is not None and "@" in user else None
    if len(found) == 1 and owner is not None and fold(owner.upn) not in found:
        named = next(iter(found.values())).upn
        yield fail(key, f"it leads to {named}, and UserName to {owner.upn}; write one owner's")


def _texts(value: object) -> list[str]:
    """A SAN value of Apple's: one string or an array of them."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str) and one]
