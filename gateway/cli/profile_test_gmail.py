"""What `profile test` finds in Gmail's managed configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_gateway import Gateway, check_host, check_owner
from gateway.profiles.reading import shown

_ALIAS = "exchange_login_certificate_alias"
_SSL = "exchange_ssl_required"
_TRUST_ALL = "exchange_trust_all_certificates"
_TEXTS = ("email_address", "exchange_host", "exchange_username", _ALIAS, "exchange_device_id")
_MANDATORY = ("email_address", "exchange_username")


def check_gmail(values: Mapping[str, Any], gateway: Gateway) -> Iterator[Finding]:
    """Every point of the configuration; keys of other purposes are passed over."""
    for key in _TEXTS:
        if key in values and not isinstance(values[key], str):
            yield fail(key, f"it has to be a string, and it is {shown(values[key])}")
    yield from check_host("exchange_host", values.get("exchange_host"), gateway, port_allowed=True)
    yield from _check_tls(values)
    yield from _check_identity(values)
    for key in _MANDATORY:
        if not values.get(key):
            yield fail(key, "it is missing, and without it Gmail passes the whole over")
    email, user = values.get("email_address"), values.get("exchange_username")
    if email and user:
        yield from check_owner(("email_address", email), ("exchange_username", user), gateway)


def _check_tls(values: Mapping[str, Any]) -> Iterator[Finding]:
    required = values.get(_SSL, True)
    if required is not True:
        detail = "so there is no TLS in which to show a certificate; set it to true"
        yield fail(_SSL, f"it is {shown(required)}, {detail}")
    else:
        yield ok(_SSL, "TLS is used")
    if values.get(_TRUST_ALL, False) is not False:
        yield warn(_TRUST_ALL, "any server could pose as the gateway; set it to false")


def _check_identity(values: Mapping[str, Any]) -> Iterator[Finding]:
    alias = values.get(_ALIAS)
    if isinstance(alias, str) and alias:
        detail = f"{shown(alias)} has to be the alias under which the certificate is installed"
        yield ok(_ALIAS, detail)
    elif not alias:
        yield fail(_ALIAS, "it is missing, so Gmail shows no certificate; set it to the alias")
    if values.get("exchange_password"):
        yield warn("exchange_password", "a password is not asked for; remove it")
    method = values.get("exchange_authentication_type")
    if isinstance(method, str) and "modern" in method.lower():
        detail = f"{shown(method)} is OAuth of Exchange Online; remove it"
        yield fail("exchange_authentication_type", detail)
