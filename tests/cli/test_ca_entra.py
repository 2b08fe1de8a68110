"""CA records in Entra's JSON forms."""

import contextlib
import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.ca_entra import azuread, graph, read_records
from gateway.core.authority import Authority, AuthorityType
from gateway.errors import StateError
from gateway.pki.authority import CertificateAuthority

ROOT = CertificateAuthority.root("Root")
DER = ROOT.certificate.public_bytes(Encoding.DER)
BASE64 = b64encode(DER).decode()
SKI = ROOT.key_identifier.hex()
URL, DELTA = "http://crl.example.test/a.crl", "http://crl.example.test/a+.crl"
RECORD = Authority.from_der(
    DER,
    authority_type=AuthorityType.ROOT,
    crl_distribution_point=URL,
    delta_crl_distribution_point=DELTA,
)
CMDLET = {
    "AuthorityType": 0,
    "CrlDistributionPoint": URL,
    "DeltaCrlDistributionPoint": DELTA,
    "TrustedCertificate": BASE64,
    "TrustedIssuer": "CN=Root",
    "TrustedIssuerSki": SKI.upper(),
}
CONFIGURATION = {
    "isRootAuthority": True,
    "certificateRevocationListUrl": URL,
    "deltaCertificateRevocationListUrl": DELTA,
    "certificate": BASE64,
    "issuer": "CN=Root",
    "issuerSki": SKI.upper(),
}
DETAIL = {
    "@odata.type": "#microsoft.graph.certificateAuthorityDetail",
    "id": "5f5d1b0e-0000-4000-8000-000000000000",
    "deletedDateTime": None,
    "certificateAuthorityType": "root",
    "certificate": BASE64,
    "displayName": "CN=Root",
    "issuer": "CN=Root",
    "issuerSubjectKeyIdentifier": SKI.upper(),
    "createdDateTime": "2026-01-01T00:00:00Z",
    "expirationDateTime": "2036-01-01T00:00:00Z",
    "thumbprint": "C0FFEE",
    "certificateRevocationListUrl": URL,
    "deltacertificateRevocationListUrl": DELTA,
    "isIssuerHintEnabled": False,
}


def read(value: Any) -> list[Authority]:
    """The records in `value` as JSON."""
    return [row.authority for row in read_records(json.dumps(value).encode())]


@pytest.mark.parametrize(
    "value",
    [
        CMDLET,
        [CMDLET],
        {key.lower(): value for key, value in CMDLET.items()},
        CMDLET | {"AuthorityType": "RootAuthority"},
        CMDLET | {"AuthorityType": "0"},
        CMDLET | {"TrustedCertificate": list(DER)},
        CMDLET | {"TrustedCertificate": b64encode(ROOT.certificate_pem).decode()},
        {"certificateAuthorities": [CONFIGURATION]},
        {"value": [{"id": "1", "certificateAuthorities": [CONFIGURATION]}]},
        {"@odata.context": "https://graph.microsoft.com/", "value": [DETAIL]},
        DETAIL,
    ],
)
def test_each_form_is_the_same_record(value: Any) -> None:
    """Cmdlets, Graph's configuration and its public key infrastructure, alone or wrapped."""
    assert read(value) == [RECORD]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_powershell_writes_can_be_read(encoding: str) -> None:
    """With a byte order mark, and as UTF-16."""
    (row,) = read_records(json.dumps([CMDLET]).encode(encoding))
    assert (row.label, row.authority) == ("row 1", RECORD)


def test_absent_and_empty_urls_are_none() -> None:
    """Entra has both for a CA without a CRL."""
    for empty in (None, ""):
        (one,) = read(CMDLET | {"CrlDistributionPoint": empty, "DeltaCrlDistributionPoint": empty})
        assert one.urls == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"AuthorityType": 2}, "has a type that is none: 2"),
        ({"AuthorityType": True}, "has a type that is none: True"),
        ({"AuthorityType": None}, "does not say whether it is a root"),
        ({"TrustedCertificate": "?"}, "not in base64"),
        ({"TrustedCertificate": 5}, "not in base64"),
        ({"TrustedCertificate": [256]}, "not in base64"),
        ({"TrustedCertificate": ""}, "has no certificate"),
        ({"TrustedCertificate": "AAAA"}, "is no certificate in DER or PEM"),
        ({"TrustedIssuerSki": "00FF"}, "SKI of CN=Root is 00FF, but it is "),
        ({"CrlDistributionPoint": "ldap://x/"}, "'ldap://x/' is not a URL"),
        ({"CrlDistributionPoint": "http://u:p@x/"}, "leave USER:PASSWORD@ out"),
        ({"CrlDistributionPoint": 7}, "7 is not a URL"),
        ({"CrlDistributionPont": URL}, "has fields that no CA record has: crldistributionpont"),
        ({"issuerSki": SKI}, "says the same thing twice, in trustedissuerski and issuerski"),
        ({"deletedDateTime": "2026-01-01T00:00:00Z"}, "was deleted in Entra"),
        ({"AuthorityType": 1}, None),
    ],
)
def test_each_problem_is_named_with_its_row(change: dict[str, Any], problem: str | None) -> None:
    """The row before it is good, and is not named."""
    if problem is None:
        assert read([CMDLET | change])[0].authority_type is AuthorityType.INTERMEDIATE
        return
    with pytest.raises(StateError) as caught:
        read([CMDLET, CMDLET | change])
    (line,) = str(caught.value).splitlines()
    assert line.startswith("row 2: ")
    assert problem in line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no JSON"),
        (b"[1]", "row 1: is no object"),
        (b"[]", "holds no CA record"),
        (b'{"a": 1, "A": 2}', "has A twice"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff", "is no JSON"),
    ],
)
def test_what_is_no_record_is_an_error(content: bytes, problem: str) -> None:
    """Whatever the file holds."""
    with pytest.raises(StateError, match=problem):
        read_records(content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [*CMDLET, *CONFIGURATION, *DETAIL, "value", "certificateAuthorities"]
                ),
                inner | st.just(BASE64),
            )
        ),
    )
)
def test_any_json_is_records_or_one_error(value: Any) -> None:
    """Nothing but StateError comes of a wrong file."""
    with contextlib.suppress(StateError):
        assert read_records(json.dumps(value).encode())


@pytest.mark.parametrize("form", [azuread, graph])
def test_what_is_written_can_be_read_again(form: Any) -> None:
    """In either form, with every field that Entra has."""
    assert read(form([RECORD])) == [RECORD]


def test_the_names_are_entras() -> None:
    """To the letter."""
    (one,) = json.loads(json.dumps(azuread([RECORD])))
    assert one == {
        "authorityType": 0,
        "crlDistributionPoint": URL,
        "deltaCrlDistributionPoint": DELTA,
        "trustedCertificate": BASE64,
        "trustedIssuer": "CN=Root",
        "trustedIssuerSKI": SKI.upper(),
    }
    assert graph([RECORD]) == {"certificateAuthorities": [CONFIGURATION]}
