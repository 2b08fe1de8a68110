"""Certificate profiles of Intune name the owner and are for client authentication."""

import pytest

from gateway.errors import ProfileError
from gateway.profiles.intune import bound
from gateway.profiles.intune_certificates import PKCS_TYPES, SCEP_TYPES, PkcsProfile, ScepProfile

ID = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
KNOX = ("androidScepCertificateProfile", "androidPkcsCertificateProfile")
UPN = {"sanType": "userPrincipalName", "name": "{{UserPrincipalName}}"}
EMAIL = {"sanType": "emailAddress", "name": "{{EmailAddress}}"}
SID = {"sanType": "universalResourceIdentifier", "name": "{{OnPremisesSecurityIdentifier}}"}


@pytest.mark.parametrize("kind", SCEP_TYPES)
def test_scep(kind: str) -> None:
    """UPN and address, clientAuth, signing, 2048 bits, the server and the CA above."""
    profile = ScepProfile(
        kind, "Certificate", ["https://s.example.test/x"], ID, security_identifier=kind not in KNOX
    )
    made = profile.as_json()
    assert made["@odata.type"] == f"#microsoft.graph.{kind}"
    if kind in KNOX:
        assert made["subjectAlternativeNameType"] == "emailAddress,userPrincipalName"
        assert "customSubjectAlternativeNames" not in made
    else:
        assert made["customSubjectAlternativeNames"] == [UPN, EMAIL, SID]
        assert made["certificateStore"] == "user"
    assert made["extendedKeyUsages"][0]["objectIdentifier"] == "1.3.6.1.5.5.7.3.2"
    assert made["keyUsage"] == "keyEncipherment,digitalSignature"
    assert made["keySize"] == "size2048"
    assert made["scepServerUrls"] == ["https://s.example.test/x"]
    assert made["rootCertificate@odata.bind"] == bound(ID)
    assert ("hashAlgorithm" in made) == kind.startswith("android")


def test_no_sid() -> None:
    """Users without an on-premises account have no SID to name."""
    kind = "iosScepCertificateProfile"
    profile = ScepProfile(kind, "C", ["https://s.example.test"], ID, security_identifier=False)
    assert profile.as_json()["customSubjectAlternativeNames"] == [UPN, EMAIL]


def test_knox_has_no_uri() -> None:
    """A SID that cannot be named is not left out in silence."""
    with pytest.raises(ProfileError, match="use --no-sid"):
        ScepProfile(KNOX[0], "C", ["https://s.example.test"], ID).as_json()


@pytest.mark.parametrize("kind", PKCS_TYPES)
def test_pkcs(kind: str) -> None:
    """UPN and address, the CA and its template; iOS leaves the usages to the template."""
    made = PkcsProfile(kind, "C", "ca.example.test", "Example CA", "Mail").as_json()
    assert made["certificationAuthority"] == "ca.example.test"
    assert made["certificationAuthorityName"] == "Example CA"
    assert made["certificateTemplateName"] == "Mail"
    assert ("extendedKeyUsages" in made) == kind.startswith("android")
    assert not {"keySize", "keyUsage", "scepServerUrls"} & set(made)
    if kind not in KNOX:
        assert made["customSubjectAlternativeNames"] == [UPN, EMAIL]


def test_wrong_kind() -> None:
    """A type of the other sort is refused."""
    with pytest.raises(ProfileError, match="is no certificate profile; use one of"):
        ScepProfile(PKCS_TYPES[0], "C", ["https://s.example.test"], ID).as_json()
    with pytest.raises(ProfileError, match="is no certificate profile; use one of"):
        PkcsProfile(SCEP_TYPES[0], "C", "h", "n", "t").as_json()
