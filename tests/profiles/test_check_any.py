"""Whatever is in a profile, `profile test` has findings with a sentence each, never a traceback."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.findings import State
from gateway.cli.profile_gateway import Gateway, load_gateway
from gateway.cli.profile_test import check
from gateway.profiles.intune import EMAIL_TYPES, IDENTITY_BIND
from gateway.profiles.intune_certificates import PKCS_TYPES, SCEP_TYPES
from gateway.profiles.pkcs12 import pack
from gateway.profiles.reading import AppleProfile, Document, GraphProfiles, ManagedConfiguration
from tests.profiles.bed import Bed
from tests.profiles.samples import ALICE, ROOT, profiles, scep_profile, values

PASSWORD = "a password of the tests"
P12 = pack(ALICE.certificate, ALICE.key, ALICE.chain, PASSWORD)
ROOT_DER = ROOT.certificate.public_bytes(Encoding.DER)

_texts = st.text(max_size=10) | st.sampled_from(
    [
        "certificate",
        "samAccountName",
        "mail.example.test",
        "a@b.test",
        "{{UserPrincipalName}}",
        "days",
    ]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_graph_keys = st.sampled_from(
    [
        *("id", "hostName", "requireSsl", "authenticationMethod", "useOAuth", "easServices"),
        *("emailAddressSource", "usernameSource", "userDomainNameSource", "customDomainName"),
        *(IDENTITY_BIND, "identityCertificate", "keySize", "keyUsage", "extendedKeyUsages"),
        *("customSubjectAlternativeNames", "subjectAlternativeNameType", "scepServerUrls"),
        *("certificateStore", "certificateValidityPeriodValue", "certificateValidityPeriodScale"),
    ]
)
_types = st.sampled_from([*EMAIL_TYPES, *SCEP_TYPES, *PKCS_TYPES]) | _texts
_sans = st.lists(st.fixed_dictionaries({"sanType": _texts, "name": _json}), max_size=2)
_objects = st.builds(
    lambda kind, rest: {**rest, "@odata.type": f"#microsoft.graph.{kind}"},
    _types,
    st.dictionaries(_graph_keys, _json | _sans, max_size=8),
)
_gmail_keys = st.sampled_from(
    [
        *("email_address", "exchange_host", "exchange_username", "exchange_ssl_required"),
        *("exchange_login_certificate_alias", "exchange_password", "exchange_authentication_type"),
        *("exchange_trust_all_certificates", "exchange_device_id"),
    ]
)


@pytest.fixture(scope="module")
def gateway(shared: Bed) -> Gateway:
    """A gateway with mailboxes, CAs and CRLs."""
    return load_gateway(shared.state_folder / "config.toml")


def assert_findings(document: Document, gateway: Gateway) -> None:
    """There is at least one finding, and each has its words."""
    findings = list(check(document, gateway, PASSWORD))
    assert findings
    assert all(isinstance(one.state, State) and one.detail for one in findings)


class TestAny:
    """Values at random in the places where a profile has its own."""

    @given(profiles)
    def test_apple(self, gateway: Gateway, profile: dict[str, Any]) -> None:
        """Property lists of Apple's keys with any values."""
        assert_findings(AppleProfile(profile, None), gateway)

    @given(st.integers(0, 1), st.data())
    def test_apple_with_one_key_wrong(
        self, gateway: Gateway, number: int, data: st.DataObject
    ) -> None:
        """A right profile in which one key has any value."""
        profile = scep_profile()
        payload = profile["PayloadContent"][number]
        inner = payload.get("PayloadContent", payload)
        key = data.draw(st.sampled_from(sorted(inner)))
        inner[key] = data.draw(values)
        assert_findings(AppleProfile(profile, None), gateway)

    @pytest.mark.filterwarnings("ignore")  # the library warns of numbers that are wrong
    @given(
        st.sampled_from([P12, ROOT_DER]),
        st.integers(0, 1500),
        st.binary(max_size=3),
        st.sampled_from(["pkcs12", "root", "pem"]),
    )
    def test_damaged_certificates(
        self, gateway: Gateway, content: bytes, position: int, octets: bytes, kind: str
    ) -> None:
        """Certificates and identities that are damaged somewhere."""
        profile = scep_profile()
        damaged = content[:position] + octets + content[position + len(octets) :]
        payload = profile["PayloadContent"][0]
        payload |= {"PayloadType": f"com.apple.security.{kind}", "PayloadContent": damaged}
        assert_findings(AppleProfile(profile, None), gateway)

    @pytest.mark.parametrize("key", ["Keysize", "Key Usage"])
    def test_numbers_too_long_to_print(self, gateway: Gateway, key: str) -> None:
        """A property list may write a number in hexadecimal, of any length."""
        profile = scep_profile(**{key: -(16**5000)})
        assert_findings(AppleProfile(profile, None), gateway)

    @given(st.lists(_objects, min_size=1, max_size=3))
    def test_intune(self, gateway: Gateway, objects: list[dict[str, Any]]) -> None:
        """Graph's objects with any values."""
        assert_findings(GraphProfiles(tuple(objects)), gateway)

    @given(st.dictionaries(_gmail_keys, _json))
    def test_gmail(self, gateway: Gateway, configuration: dict[str, Any]) -> None:
        """Gmail's keys with any values."""
        assert_findings(ManagedConfiguration(configuration), gateway)
