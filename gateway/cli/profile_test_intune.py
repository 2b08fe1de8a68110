"""What `profile test` finds in e-mail profiles of Intune, as Graph exports them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_gateway import Gateway, check_host, check_source
from gateway.cli.profile_test_scep import check_certificate_profile, is_certificate_profile
from gateway.core.mailbox import Mailbox
from gateway.errors import ProfileError
from gateway.profiles.intune import (
    EMAIL_TYPES,
    GRAPH_PREFIX,
    IDENTITY_BIND,
    bound,
    refuse_without_certificate,
)
from gateway.profiles.reading import GraphProfiles, shown

_Object = Mapping[str, Any]
_EMAIL = re.compile(r".*Eas\w*Configuration\Z|.*EasEmailProfile\w*\Z")
_OLD_TYPES = ("androidForWorkGmailEasConfiguration", "androidForWorkNineWorkEasConfiguration")
_BOUND = re.compile(r"deviceConfigurations(?:\('|/)([0-9A-Fa-f-]{36})")
_METHOD = "authenticationMethod"
_INLINE = "identityCertificate"
_EXAMPLE = bound("ID")


def check_intune(profiles: GraphProfiles, gateway: Gateway) -> Iterator[Finding]:
    """Every point of each profile; those of other purposes are named and passed over."""
    single = len(profiles.objects) == 1
    ids = {str(one["id"]).lower(): one for one in profiles.objects if "id" in one}
    mail = False
    for number, one in enumerate(profiles.objects):
        kind = kind_of(one)
        where = kind if single else f"[{number}] {kind}"
        if _EMAIL.match(kind):
            mail = True
            yield from _check_email(where, kind, one, ids, gateway)
        elif is_certificate_profile(kind):
            yield from check_certificate_profile(where, kind, one, gateway)
        else:
            yield warn(f"{where}.@odata.type", "it is neither mail nor certificate: not tested")
    if not mail:
        detail = "there is no e-mail profile in the file; export it with its certificate profile"
        yield warn("@odata.type", detail)


def kind_of(one: _Object) -> str:
    """The type as Graph's reference has it, without its namespace."""
    return str(one["@odata.type"]).removeprefix(GRAPH_PREFIX)


def _check_email(
    where: str, kind: str, one: _Object, ids: Mapping[str, _Object], gateway: Gateway
) -> Iterator[Finding]:
    if kind not in (*EMAIL_TYPES, *_OLD_TYPES):
        try:
            refuse_without_certificate(kind)
        except ProfileError as error:
            yield fail(f"{where}.@odata.type", str(error))
        return
    yield from check_host(f"{where}.hostName", one.get("hostName"), gateway)
    if one.get("requireSsl") is not True:
        detail = f"it is {shown(one.get('requireSsl'))}, so there is no TLS; set it to true"
        yield fail(f"{where}.requireSsl", detail)
    else:
        yield ok(f"{where}.requireSsl", "TLS is used")
    if one.get("useOAuth") not in (None, False):
        detail = "the phone would ask Exchange Online for a token, not show a certificate"
        yield fail(f"{where}.useOAuth", f"{detail}; set it to false")
    services = one.get("easServices")
    if isinstance(services, str) and "email" not in services:
        yield warn(f"{where}.easServices", f"{shown(services)} is without email; add it")
    yield from _check_method(where, one, ids, gateway)
    yield from _check_sources(where, one, gateway)


def _check_method(
    where: str, one: _Object, ids: Mapping[str, _Object], gateway: Gateway
) -> Iterator[Finding]:
    key, method = f"{where}.{_METHOD}", one.get(_METHOD)
    if method == "derivedCredential":
        yield warn(key, "the CA of derived credentials has to be one of the gateway's (`ca list`)")
        return
    if method != "certificate":
        yield fail(key, f"it is {shown(method)}, so the phone asks for a password; set certificate")
        return
    yield ok(key, "certificate")
    yield from _check_link(where, one, ids, gateway)


def _check_link(
    where: str, one: _Object, ids: Mapping[str, _Object], gateway: Gateway
) -> Iterator[Finding]:
    key, link, inline = f"{where}.{IDENTITY_BIND}", one.get(IDENTITY_BIND), one.get(_INLINE)
    if isinstance(inline, dict):
        place = f"{where}.{_INLINE}"
        kind = str(inline.get("@odata.type", "")).removeprefix(GRAPH_PREFIX)
        yield ok(place, f"{kind} {shown(inline.get('displayName'))} is linked")
        if is_certificate_profile(kind):
            yield from check_certificate_profile(place, kind, inline, gateway)
    elif isinstance(link, str):
        yield _linked(key, link, ids)
    elif "id" in one and _INLINE not in one:
        detail = "the export does not show which certificate profile is linked"
        yield warn(f"{where}.{_INLINE}", f"{detail}; export with ?$expand={_INLINE}")
    else:
        detail = "no certificate profile is linked, so the phone has no certificate to show"
        yield fail(key, f"{detail}; set it to {_EXAMPLE}")


def _linked(key: str, link: str, ids: Mapping[str, _Object]) -> Finding:
    matched = _BOUND.search(link)
    if matched is None:
        return fail(key, f"{shown(link)} names no device configuration; write {_EXAMPLE}")
    linked = ids.get(matched[1].lower())
    if linked is None:
        return ok(key, f"the certificate profile {matched[1]} is linked; it is not in this file")
    kind = kind_of(linked)
    if not is_certificate_profile(kind):
        return fail(key, f"{matched[1]} is {kind}, which is no certificate profile")
    return ok(key, f"{kind} {matched[1]} is linked")


def _check_sources(where: str, one: _Object, gateway: Gateway) -> Iterator[Finding]:
    """Where addresses and user names come from, against the mailboxes that are there."""
    email = one.get("emailAddressSource")
    key = f"{where}.emailAddressSource"
    if email == "primarySmtpAddress":
        yield from check_source(key, email, gateway, _no_primary, "primary address")
    elif email == "userPrincipalName":
        yield from check_source(key, email, gateway, _no_upn_address, "address that is the UPN")
    else:
        yield fail(key, f"it is {shown(email)}; set primarySmtpAddress or userPrincipalName")
    for name in ("usernameSource", "usernameAADSource"):
        source = one.get(name)
        if source in ("samAccountName", "username"):
            yield from check_source(f"{where}.{name}", source, gateway, _no_sam, "sAMAccountName")
        elif source == "primarySmtpAddress":
            found = check_source(f"{where}.{name}", source, gateway, _no_primary, "primary address")
            yield from found
    if one.get("userDomainNameSource") or one.get("customDomainName"):
        yield from check_source(
            f"{where}.userDomainNameSource",
            one.get("userDomainNameSource"),
            gateway,
            _no_domain,
            "NetBIOS domain (`user set --sam DOMAIN\\NAME`)",
        )


def _no_primary(mailbox: Mailbox) -> bool:
    return mailbox.primary_address is None


def _no_upn_address(mailbox: Mailbox) -> bool:
    return bool(mailbox.addresses) and mailbox.key not in {a.lower() for a in mailbox.addresses}


def _no_sam(mailbox: Mailbox) -> bool:
    return mailbox.sam_account_name is None


def _no_domain(mailbox: Mailbox) -> bool:
    return mailbox.netbios_domain is None
