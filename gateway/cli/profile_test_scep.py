"""What `profile test` finds in SCEP and PKCS certificate profiles of Intune."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.cli.ca_input import is_http_url
from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_gateway import Gateway
from gateway.profiles.keys import CLIENT_AUTH
from gateway.profiles.reading import shown

_Object = Mapping[str, Any]

_NAME = re.compile(r"\w+?(Scep|Pkcs|ImportedPFX)CertificateProfile\Z")
_SAN: Final = {"PrincipalName": "userPrincipalName", "RFC822Name": "emailAddress"}
_SOURCES: Final = {
    "userPrincipalName": ("{{userprincipalname}}", "{{onpremisesuserprincipalname}}"),
    "emailAddress": ("{{emailaddress}}", "{{mail}}"),
}
_OF_A_DEVICE: Final = re.compile(r"(?i)\{\{(aad_?device|device|serial|imei|meid|fully|azureadd)\w*")
_LEAST_DAYS: Final = 5


def is_certificate_profile(kind: str) -> bool:
    """Whether a type of Graph's gives a device a certificate with its key."""
    return bool(_NAME.match(kind))


def check_certificate_profile(
    where: str, kind: str, one: _Object, gateway: Gateway
) -> Iterator[Finding]:
    """Names, usages, key and server of the certificates to come."""
    yield from _check_names(where, one, gateway)
    yield from _check_usages(where, kind, one)
    if "Scep" in kind:
        yield from _check_scep(where, one)
    if one.get("certificateStore") == "machine":
        detail = "the certificate would be the device's, not its owner's; set user"
        yield fail(f"{where}.certificateStore", detail)
    days = one.get("certificateValidityPeriodValue")
    scale = one.get("certificateValidityPeriodScale")
    if scale == "days" and isinstance(days, int) and days < _LEAST_DAYS:
        detail = f"{shown(days)} days are too few to renew in; {_LEAST_DAYS} are the least"
        yield warn(f"{where}.certificateValidityPeriodValue", detail)


def _check_names(where: str, one: _Object, gateway: Gateway) -> Iterator[Finding]:
    found = list(_names(where, one))
    wanted = [_SAN[field] for field in gateway.name_fields]
    usable = [(key, kind, value) for key, kind, value in found if kind in wanted]
    if not usable and not gateway.other_fields:
        key = f"{where}.customSubjectAlternativeNames"
        detail = f"it has no {' or '.join(wanted)}, so the certificate leads to no mailbox"
        yield fail(key, f"{detail}; add userPrincipalName with {{{{UserPrincipalName}}}}")
    for key, kind, value in usable:
        if value is None or value.strip().lower() in _SOURCES[kind]:
            yield ok(key, f"{kind} is the owner's")
        elif _OF_A_DEVICE.search(value):
            detail = f"{shown(value)} is of a device, whose holder can forge it"
            yield fail(key, f"{detail}; write {_example(kind)}")
        else:
            detail = f"{shown(value)} has to be the {kind} of a mailbox"
            yield warn(key, f"{detail}; {_example(kind)} is")


def _names(where: str, one: _Object) -> Iterator[tuple[str, str, str | None]]:
    """Key, kind and value of each SAN; None where Intune takes the value by itself."""
    custom = one.get("customSubjectAlternativeNames")
    for number, name in enumerate(custom if isinstance(custom, list) else ()):
        if isinstance(name, dict) and isinstance(name.get("sanType"), str):
            value = name.get("name")
            key = f"{where}.customSubjectAlternativeNames[{number}]"
            yield key, name["sanType"], value if isinstance(value, str) else ""
    flags = one.get("subjectAlternativeNameType")
    for kind in flags.split(",") if isinstance(flags, str) else ():
        yield f"{where}.subjectAlternativeNameType", kind.strip(), None


def _example(kind: str) -> str:
    return "{{UserPrincipalName}}" if kind == "userPrincipalName" else "{{EmailAddress}}"


def _check_usages(where: str, kind: str, one: _Object) -> Iterator[Finding]:
    key, usages = f"{where}.extendedKeyUsages", one.get("extendedKeyUsages")
    if not isinstance(usages, list) or not usages:
        if "Pkcs" in kind:
            yield warn(key, "the CA's template decides; it needs Client Authentication")
        else:
            yield fail(key, f"it is empty; add Client Authentication, {CLIENT_AUTH}")
        return
    given = [usage.get("objectIdentifier") for usage in usages if isinstance(usage, dict)]
    if CLIENT_AUTH in given:
        yield ok(key, "Client Authentication")
    else:
        yield fail(key, f"it lacks Client Authentication; add {CLIENT_AUTH}")


def _check_scep(where: str, one: _Object) -> Iterator[Finding]:
    usage = one.get("keyUsage")
    if not isinstance(usage, str) or "digitalSignature" not in usage:
        detail = f"it is {shown(usage)}, without digitalSignature, which TLS needs; add it"
        yield fail(f"{where}.keyUsage", detail)
    size = one.get("keySize")
    if size not in ("size2048", "size4096"):
        yield fail(f"{where}.keySize", f"it is {shown(size)}, and TLS needs 2048; set size2048")
    else:
        yield ok(f"{where}.keySize", str(size))
    if one.get("hashAlgorithm") == "sha1":
        yield fail(f"{where}.hashAlgorithm", "sha1 signatures are refused by TLS; set sha2")
    urls = one.get("scepServerUrls")
    if not isinstance(urls, list) or not urls:
        yield fail(f"{where}.scepServerUrls", "it is empty; write the SCEP server's URL")
        return
    for url in urls:
        if not isinstance(url, str) or not is_http_url(url):
            yield fail(f"{where}.scepServerUrls", f"{shown(url)} is no URL, https://HOST/PATH")
