"""Intune's SCEP and PKCS certificate profiles for sign-in to a mailbox, as Graph takes them.

Each names the owner by UPN and e-mail address, which the gateway's username bindings read. Names
that a device makes up itself, such as its serial number, are never used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from gateway.errors import ProfileError
from gateway.profiles.intune import GRAPH_PREFIX, bound
from gateway.profiles.keys import CLIENT_AUTH

UPN_VARIABLE: Final = "{{UserPrincipalName}}"
EMAIL_VARIABLE: Final = "{{EmailAddress}}"
SID_VARIABLE: Final = "{{OnPremisesSecurityIdentifier}}"


@dataclass(frozen=True, slots=True)
class _Form:
    """What one kind of certificate profile has beside the fields of all.

    Attributes:
        names_by_flags: the SAN is subjectAlternativeNameType; else customSubjectAlternativeNames.
        usages: it has extendedKeyUsages; else the CA's template alone decides.
        hash: it has hashAlgorithm.
    """

    names_by_flags: bool
    usages: bool
    hash: bool


_SCEP: Final[Mapping[str, _Form]] = MappingProxyType(
    {
        "iosScepCertificateProfile": _Form(names_by_flags=False, usages=True, hash=False),
        "androidScepCertificateProfile": _Form(names_by_flags=True, usages=True, hash=True),
        "androidWorkProfileScepCertificateProfile": _Form(
            names_by_flags=False, usages=True, hash=True
        ),
    }
)
_PKCS: Final[Mapping[str, _Form]] = MappingProxyType(
    {
        "iosPkcsCertificateProfile": _Form(names_by_flags=False, usages=False, hash=False),
        "androidPkcsCertificateProfile": _Form(names_by_flags=True, usages=True, hash=False),
        "androidWorkProfilePkcsCertificateProfile": _Form(
            names_by_flags=False, usages=True, hash=False
        ),
    }
)
SCEP_TYPES: Final = tuple(_SCEP)
PKCS_TYPES: Final = tuple(_PKCS)


@dataclass(frozen=True, slots=True)
class ScepProfile:
    """A certificate that the device asks a SCEP server for.

    Attributes:
        kind: one of `SCEP_TYPES`.
        name: of the profile.
        urls: of the SCEP server.
        root_id: the id of the trusted certificate profile with the CA, as Graph has it.
        months: how long a certificate is valid.
        key_size: RSA bits, 2048 or 4096.
        security_identifier: name the owner's SID, too, in a URI (KB5014754).
    """

    kind: str
    name: str
    urls: Sequence[str]
    root_id: str
    months: int = 12
    key_size: int = 2048
    security_identifier: bool = True

    def as_json(self) -> dict[str, Any]:
        """The deviceConfiguration; raises ProfileError if it cannot be as asked for."""
        form = _form(self.kind, _SCEP)
        if self.security_identifier and form.names_by_flags:
            raise ProfileError(f"{self.kind} has no URI in its SAN, so no SID: use --no-sid")
        return {
            **_common(self.kind, self.name, self.months),
            **_names(form, sid=self.security_identifier),
            **_usages(form),
            "scepServerUrls": list(self.urls),
            "keyUsage": "keyEncipherment,digitalSignature",
            "keySize": f"size{self.key_size}",
            **({"hashAlgorithm": "sha2"} if form.hash else {}),
            "rootCertificate@odata.bind": bound(self.root_id),
        }


@dataclass(frozen=True, slots=True)
class PkcsProfile:
    """A certificate that Intune's connector asks a Microsoft CA for.

    The SID is not among the names: the connector adds it in an extension of its own. Key size and,
    on iOS, key usages are those of the CA's template.

    Attributes:
        kind: one of `PKCS_TYPES`.
        name: of the profile.
        authority: the CA's host name.
        authority_name: the CA's name.
        template: the name of the certificate template.
        months: how long a certificate is valid.
    """

    kind: str
    name: str
    authority: str
    authority_name: str
    template: str
    months: int = 12

    def as_json(self) -> dict[str, Any]:
        """The deviceConfiguration; raises ProfileError if the kind is none of `PKCS_TYPES`."""
        form = _form(self.kind, _PKCS)
        return {
            **_common(self.kind, self.name, self.months),
            **_names(form, sid=False),
            **_usages(form),
            "certificationAuthority": self.authority,
            "certificationAuthorityName": self.authority_name,
            "certificateTemplateName": self.template,
        }


def _form(kind: str, forms: Mapping[str, _Form]) -> _Form:
    if kind not in forms:
        raise ProfileError(f"{kind} is no certificate profile; use one of {', '.join(forms)}")
    return forms[kind]


def _common(kind: str, name: str, months: int) -> dict[str, Any]:
    return {
        "@odata.type": f"{GRAPH_PREFIX}{kind}",
        "displayName": name,
        "renewalThresholdPercentage": 20,
        "certificateValidityPeriodScale": "months",
        "certificateValidityPeriodValue": months,
        "subjectNameFormat": "custom",
        "subjectNameFormatString": f"CN={UPN_VARIABLE}",
    }


def _names(form: _Form, *, sid: bool) -> dict[str, Any]:
    if form.names_by_flags:
        return {"subjectAlternativeNameType": "emailAddress,userPrincipalName"}
    named = {"userPrincipalName": UPN_VARIABLE, "emailAddress": EMAIL_VARIABLE}
    if sid:
        named["universalResourceIdentifier"] = SID_VARIABLE
    return {
        "certificateStore": "user",
        "customSubjectAlternativeNames": [
            {"sanType": kind, "name": variable} for kind, variable in named.items()
        ],
    }


def _usages(form: _Form) -> dict[str, Any]:
    if not form.usages:
        return {}
    usage = {"name": "Client Authentication", "objectIdentifier": CLIENT_AUTH}
    return {"extendedKeyUsages": [usage]}
