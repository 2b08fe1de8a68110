"""The keys of Apple's configuration profiles, with their types, as Apple's reference lists them.

Decides whether a phone could install a profile, by its form; is not told what the values mean.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

_TYPE_WORDS: Final[Mapping[type, str]] = MappingProxyType(
    {
        str: "a string",
        int: "an integer",
        float: "a real",
        bool: "true or false",
        bytes: "data",
        list: "an array",
        dict: "a dictionary",
        datetime: "a date",
    }
)
Types = tuple[type, ...]
Keys = Mapping[str, Types]

_TEXT: Final[Types] = (str,)
_NUMBER: Final[Types] = (int,)
_FLAG: Final[Types] = (bool,)
_DATA: Final[Types] = (bytes,)


def _keys(types: Types, names: str) -> dict[str, Types]:
    return dict.fromkeys(names.split(), types)


_COMMON: Final[Keys] = MappingProxyType(
    {
        **_keys(_TEXT, "PayloadType PayloadIdentifier PayloadUUID PayloadDisplayName"),
        **_keys(_TEXT, "PayloadDescription PayloadOrganization"),
        **_keys(_NUMBER, "PayloadVersion"),
    }
)
_ALWAYS: Final = ("PayloadType", "PayloadVersion", "PayloadIdentifier", "PayloadUUID")
_NAMES: Final[Keys] = MappingProxyType(
    _keys((str, list), "rfc822Name dNSName uniformResourceIdentifier ntPrincipalName")
)
_ENABLED: Final = ["Mail", "Contacts", "Calendars", "Reminders", "Notes"]
_EAS: Final[Keys] = MappingProxyType(
    {
        **_keys(_TEXT, "EmailAddress Host UserName Password CertificateName CertificatePassword"),
        **_keys(_TEXT, "PayloadCertificateUUID OAuthSignInURL OAuthTokenRequestURL VPNUUID"),
        **_keys(_TEXT, "SMIMESigningCertificateUUID SMIMEEncryptionCertificateUUID HeaderMagic"),
        **_keys(_DATA, "Certificate"),
        **_keys(_NUMBER, "MailNumberOfPastDaysToSync"),
        **_keys(_FLAG, "SSL OAuth PreventMove PreventAppSheet disableMailRecentsSyncing"),
        **_keys(_FLAG, "allowMailDrop OverridePreviousPassword SMIMEEnabled SMIMESigningEnabled"),
        **_keys(_FLAG, "SMIMEEncryptionEnabled SMIMEEnablePerMessageSwitch"),
        **_keys(_FLAG, "SMIMESigningUserOverrideable SMIMESigningCertificateUUIDUserOverrideable"),
        **_keys(_FLAG, "SMIMEEncryptByDefault SMIMEEncryptByDefaultUserOverrideable"),
        **_keys(_FLAG, "SMIMEEncryptionCertificateUUIDUserOverrideable"),
        **_keys(_FLAG, "SMIMEEnableEncryptionPerMessageSwitch"),
        **{f"Enable{one}": _FLAG for one in _ENABLED},
        **{f"Enable{one}UserOverridable": _FLAG for one in _ENABLED},
        **_keys((dict,), "CommunicationServiceRules"),
    }
)
_AUTHORITY: Final[Keys] = MappingProxyType(
    {"PayloadContent": _DATA, "PayloadCertificateFileName": _TEXT}
)
_PKCS12: Final[Keys] = MappingProxyType(
    {**_AUTHORITY, "Password": _TEXT, **_keys(_FLAG, "AllowAllAppsAccess KeyIsExtractable")}
)
_ACME: Final[Keys] = MappingProxyType(
    {
        **_keys(_TEXT, "DirectoryURL ClientIdentifier KeyType"),
        **_keys(_NUMBER, "KeySize UsageFlags"),
        **_keys(_FLAG, "HardwareBound Attest AllowAllAppsAccess KeyIsExtractable"),
        **_keys((list,), "Subject ExtendedKeyUsage"),
        "SubjectAltName": (dict,),
    }
)
SCEP_REQUEST: Final[Keys] = MappingProxyType(
    {
        **_keys(_TEXT, "URL Name Challenge"),
        "Subject": (list,),
        **_keys(_NUMBER, "Keysize Retries RetryDelay"),
        "Key Type": _TEXT,
        "Key Usage": _NUMBER,
        "CAFingerprint": _DATA,
        "SubjectAltName": (dict,),
        **_keys(_FLAG, "KeyIsExtractable AllowAllAppsAccess"),
    }
)
"""The keys of PayloadContent in a SCEP payload; two of them contain a blank."""

TOP_LEVEL: Final[Keys] = MappingProxyType(
    {
        **_COMMON,
        **_keys((list,), "PayloadContent"),
        **_keys(_FLAG, "PayloadRemovalDisallowed HasRemovalPasscode IsEncrypted"),
        **_keys((datetime,), "RemovalDate PayloadExpirationDate"),
        **_keys((float, int), "DurationUntilRemoval"),
        **_keys((dict,), "ConsentText"),
        **_keys(_NUMBER, "TargetDeviceType"),
        **_keys(_TEXT, "PayloadScope"),
        **_keys(_DATA, "EncryptedPayloadContent"),
    }
)
PAYLOADS: Final[Mapping[str, Keys]] = MappingProxyType(
    {
        "com.apple.eas.account": MappingProxyType({**_COMMON, **_EAS}),
        "com.apple.security.pkcs12": MappingProxyType({**_COMMON, **_PKCS12}),
        "com.apple.security.root": MappingProxyType({**_COMMON, **_AUTHORITY}),
        "com.apple.security.pkcs1": MappingProxyType({**_COMMON, **_AUTHORITY}),
        "com.apple.security.pem": MappingProxyType({**_COMMON, **_AUTHORITY}),
        "com.apple.security.scep": MappingProxyType({**_COMMON, "PayloadContent": (dict,)}),
        "com.apple.security.acme": MappingProxyType({**_COMMON, **_ACME}),
    }
)
"""The payload types that mail by certificate is made of; a profile may have others beside them."""

_REQUIRED: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "com.apple.security.pkcs12": ("PayloadContent",),
        "com.apple.security.root": ("PayloadContent",),
        "com.apple.security.pkcs1": ("PayloadContent",),
        "com.apple.security.pem": ("PayloadContent",),
        "com.apple.security.scep": ("PayloadContent",),
        "com.apple.security.acme": (
            *("DirectoryURL", "ClientIdentifier", "KeySize", "KeyType", "HardwareBound"),
            "Subject",
        ),
    }
)
_CHOICES: Final[Mapping[str, tuple[object, ...]]] = MappingProxyType(
    {
        "PayloadVersion": (1,),
        "MailNumberOfPastDaysToSync": (0, 1, 3, 7, 14, 31),
        "Keysize": (1024, 2048, 4096),
        "Key Type": ("RSA",),
        "KeyType": ("RSA", "ECSECPrimeRandom"),
    }
)


@dataclass(frozen=True, slots=True)
class FormProblem:
    """What is not as Apple's reference has it.

    Attributes:
        key: the path of the key, such as PayloadContent[1].SSL.
        fatal: a phone refuses the profile, rather than passing over the key.
        detail: one sentence.
    """

    key: str
    fatal: bool
    detail: str


def problems(profile: Mapping[str, Any]) -> Iterator[FormProblem]:
    """All that is wrong with the form of a profile; other payload types are looked at in part."""
    yield from _checked("", profile, TOP_LEVEL, (*_ALWAYS, "PayloadContent"))
    if profile.get("PayloadType", "Configuration") != "Configuration":
        yield FormProblem("PayloadType", True, "the whole profile's PayloadType is Configuration")
    identifiers: dict[str, str] = {}
    for where, payload in payloads(profile):
        kind = payload.get("PayloadType")
        if isinstance(kind, str) and kind in PAYLOADS:
            required = (*_ALWAYS, *_REQUIRED.get(kind, ()))
            yield from _checked(f"{where}.", payload, PAYLOADS[kind], required)
            yield from _inner(f"{where}.", payload)
        elif not isinstance(kind, str):
            yield FormProblem(f"{where}.PayloadType", True, "it is missing or no string")
        uuid = payload.get("PayloadUUID")
        if isinstance(uuid, str) and identifiers.setdefault(uuid, where) != where:
            detail = f"{identifiers[uuid]} has the same one; give each payload its own"
            yield FormProblem(f"{where}.PayloadUUID", True, detail)


def payloads(profile: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The payloads with their place, such as PayloadContent[0]; what is no dictionary is left out.

    The outermost array alone is looked at, as Apple's payloads do not contain others.
    """
    content = profile.get("PayloadContent")
    for number, payload in enumerate(content if isinstance(content, list) else ()):
        if isinstance(payload, dict):
            yield f"PayloadContent[{number}]", payload


def _inner(where: str, payload: Mapping[str, Any]) -> Iterator[FormProblem]:
    """The dictionaries inside a certificate payload."""
    if payload.get("PayloadType") == "com.apple.security.scep":
        where, payload = f"{where}PayloadContent.", payload.get("PayloadContent", {})
        if isinstance(payload, dict):
            yield from _checked(where, payload, SCEP_REQUEST, ("URL",))
    names = payload.get("SubjectAltName") if isinstance(payload, dict) else None
    if isinstance(names, dict):
        yield from _checked(f"{where}SubjectAltName.", names, _NAMES, ())


def _checked(
    where: str, values: Mapping[str, Any], keys: Keys, required: Sequence[str]
) -> Iterator[FormProblem]:
    for key in required:
        if key not in values:
            yield FormProblem(f"{where}{key}", True, "it is missing; a phone refuses the profile")
    for key, value in values.items():
        place = f"{where}{key}"
        if key not in keys:
            near = get_close_matches(key[:100], keys, 1)
            hint = f"; it may be meant for {near[0]}" if near else ""
            yield FormProblem(place, False, f"Apple has no such key here, so nobody reads it{hint}")
        elif type(value) not in keys[key]:
            words = " or ".join(_TYPE_WORDS[one] for one in keys[key])
            given = _TYPE_WORDS.get(type(value), "something else")
            yield FormProblem(place, True, f"it has to be {words}, and it is {given}")
        elif key in _CHOICES and value not in _CHOICES[key]:
            words = ", ".join(str(one) for one in _CHOICES[key])
            yield FormProblem(place, True, f"its value is none of {words}")
