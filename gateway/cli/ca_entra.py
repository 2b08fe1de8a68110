"""CA records as Entra has them in JSON, in each form that its tools print.

The AzureAD cmdlets have CertificateAuthorityInformation, Microsoft Graph has certificateAuthority
(in a certificateBasedAuthConfiguration) and certificateAuthorityDetail (of a public key
infrastructure). The case of keys does not count, as it differs between the tools.
"""

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from gateway.cli.ca_input import crl_url_problem, one_certificate
from gateway.core.authority import Authority, AuthorityType
from gateway.errors import CertificateError, StateError
from gateway.store.authority_import import Row

_Record = Mapping[str, Any]

_TYPES: Final[Mapping[object, AuthorityType]] = MappingProxyType(
    {
        "0": AuthorityType.ROOT,
        "rootauthority": AuthorityType.ROOT,
        "root": AuthorityType.ROOT,
        "true": AuthorityType.ROOT,
        "1": AuthorityType.INTERMEDIATE,
        "intermediateauthority": AuthorityType.INTERMEDIATE,
        "intermediate": AuthorityType.INTERMEDIATE,
        "false": AuthorityType.INTERMEDIATE,
    }
)
# What each form calls a field; Entra derives the others from the certificate.
_TYPE = ("authoritytype", "isrootauthority", "certificateauthoritytype")
_CERTIFICATE = ("trustedcertificate", "certificate")
_CRL = ("crldistributionpoint", "certificaterevocationlisturl")
_DELTA = ("deltacrldistributionpoint", "deltacertificaterevocationlisturl")
_KEY_ID = ("trustedissuerski", "issuerski", "issuersubjectkeyidentifier")
_DELETED = "deleteddatetime"
_DERIVED = (
    *("trustedissuer", "issuer", "displayname", "id", "thumbprint", "createddatetime"),
    *("expirationdatetime", "isissuerhintenabled", _DELETED),
)
_KNOWN = frozenset((*_TYPE, *_CERTIFICATE, *_CRL, *_DELTA, *_KEY_ID, *_DERIVED))
_LISTS = ("value", "certificateauthorities")


def read_records(content: bytes) -> Sequence[Row]:
    """The records in a JSON file, in its order, labelled `row 1`, `row 2` and so on.

    Raises StateError with every problem, one a line, each with its row.
    """
    rows, problems = [], []
    for number, record in enumerate(_records(_parse(content)), 1):
        label = f"row {number}"
        try:
            rows.append(Row(label, _authority(record)))
        except CertificateError as error:
            problems.append(f"{label}: {error}")
    if problems:
        raise StateError("\n".join(problems))
    if not rows:
        raise StateError("the file holds no CA record")
    return rows


def azuread(authorities: Iterable[Authority]) -> object:
    """The records as `Get-AzureADTrustedCertificateAuthority` has them."""
    return [
        {
            "authorityType": int(one.authority_type),
            "crlDistributionPoint": one.crl_distribution_point,
            "deltaCrlDistributionPoint": one.delta_crl_distribution_point,
            "trustedCertificate": b64encode(one.certificate).decode(),
            "trustedIssuer": one.trusted_issuer,
            "trustedIssuerSKI": one.key_id.upper(),
        }
        for one in authorities
    ]


def graph(authorities: Iterable[Authority]) -> object:
    """The records as a certificateBasedAuthConfiguration of Microsoft Graph."""
    return {
        "certificateAuthorities": [
            {
                "isRootAuthority": one.authority_type is AuthorityType.ROOT,
                "certificateRevocationListUrl": one.crl_distribution_point,
                "deltaCertificateRevocationListUrl": one.delta_crl_distribution_point,
                "certificate": b64encode(one.certificate).decode(),
                "issuer": one.trusted_issuer,
                "issuerSki": one.key_id.upper(),
            }
            for one in authorities
        ]
    }


def _parse(content: bytes) -> Any:
    # What PowerShell writes has a byte order mark, and with > it is UTF-16.
    encoding = "utf-16" if content[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return json.loads(content.decode(encoding), object_pairs_hook=_folded)
    except (ValueError, RecursionError) as error:
        raise StateError(f"the file is no JSON: {error}") from error


def _folded(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    folded: dict[str, Any] = {}
    for key, value in pairs:
        if key.lower() in folded:
            raise ValueError(f"an object has {key} twice")
        folded[key.lower()] = value
    return folded


def _records(value: Any) -> Iterator[Any]:
    """The records in a list, or in what Graph and OData wrap round one."""
    if isinstance(value, list):
        for one in value:
            yield from _records(one)
        return
    wrapped = [value[key] for key in _LISTS if key in value] if isinstance(value, dict) else []
    if not wrapped:
        yield value
    for one in wrapped:
        yield from _records(one)


def _authority(record: Any) -> Authority:
    if not isinstance(record, dict):
        raise CertificateError("is no object with the fields of a CA record")
    unknown = sorted(key for key in record if key not in _KNOWN and not key.startswith("@odata."))
    if unknown:
        raise CertificateError(f"has fields that no CA record has: {', '.join(unknown)}")
    if record.get(_DELETED):
        raise CertificateError("was deleted in Entra; leave it out")
    authority = Authority.from_der(
        _certificate(record),
        authority_type=_type(record),
        crl_distribution_point=_url(record, _CRL),
        delta_crl_distribution_point=_url(record, _DELTA),
    )
    key_id = _field(record, _KEY_ID)
    if key_id and str(key_id).lower().replace(":", "") != authority.key_id:
        raise CertificateError(
            f"says that the SKI of {authority.trusted_issuer} is {key_id}, but it is "
            f"{authority.key_id}"
        )
    return authority


def _field(record: _Record, names: Sequence[str]) -> Any:
    found = [name for name in names if record.get(name) is not None]
    if len(found) > 1:
        raise CertificateError(f"says the same thing twice, in {' and '.join(found)}")
    return record[found[0]] if found else None


def _type(record: _Record) -> AuthorityType:
    value = _field(record, _TYPE)
    if value is None:
        raise CertificateError(
            "does not say whether it is a root: authorityType, isRootAuthority or "
            "certificateAuthorityType"
        )
    number_as_truth = isinstance(value, bool) is ("isrootauthority" not in record)
    found = _TYPES.get(str(value).lower())
    if found is None or number_as_truth:
        raise CertificateError(f"has a type that is none: {value!r}")
    return found


def _certificate(record: _Record) -> bytes:
    """The DER: of base64 text, or of the octets as numbers, as ConvertTo-Json has them."""
    value = _field(record, _CERTIFICATE)
    if not value:
        raise CertificateError("has no certificate: trustedCertificate or certificate")
    try:
        content = bytes(value) if isinstance(value, list) else b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise CertificateError(f"has a certificate that is not in base64: {error}") from error
    return one_certificate(content)


def _url(record: _Record, names: Sequence[str]) -> str | None:
    value = _field(record, names)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise CertificateError(f"{value!r} is not a URL of the form http://HOST/PATH or https://")
    problem = crl_url_problem(value)
    if problem is not None:
        raise CertificateError(problem)
    return value
