"""What the tests of profiles share: certificates, profiles, and property lists at random."""

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from gateway.pki.authority import CertificateAuthority
from gateway.profiles.apple import MailSettings, Owner, Payload, ScepIdentity, configuration
from gateway.profiles.schema import PAYLOADS, SCEP_REQUEST, TOP_LEVEL

ROOT = CertificateAuthority.root("Samples' root")
ISSUING = ROOT.intermediate("Samples' issuing CA")
ALICE = ISSUING.issue_device(upn="alice@example.test", email="alice@example.test")
SIGNER = ISSUING.issue_server("signer.example.test")
MAIL = MailSettings("mail.example.test", "alice@example.test", "alice@example.test", "Mail")
OWNER = Owner("alice", "alice@example.test", "alice@example.test")
IDENTIFIER = "test.example.mail.eas.alice"


def scep_profile(**request: Any) -> Payload:
    """A right profile with a SCEP identity, first, and Mail; `request` changes the SCEP request."""
    whole = configuration(IDENTIFIER, MAIL, ScepIdentity("https://scep.example.test/x", OWNER))
    scep = whole["PayloadContent"][0]["PayloadContent"]
    scep.update(request)
    return whole


_scalars = (
    st.text(max_size=8)
    | st.integers()
    | st.booleans()
    | st.binary(max_size=8)
    | st.floats()
    | st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 1, 1))  # noqa: DTZ001 (as plistlib has them)
)
_keys = st.sampled_from(
    sorted({*TOP_LEVEL, *SCEP_REQUEST, *(key for keys in PAYLOADS.values() for key in keys)})
) | st.text(max_size=6)
values: st.SearchStrategy[Any] = st.recursive(
    _scalars | st.sampled_from(sorted(PAYLOADS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=8,
)
payloads: st.SearchStrategy[Payload] = st.builds(
    lambda kind, rest: {**rest, "PayloadType": kind},
    st.sampled_from(sorted(PAYLOADS)) | _scalars,
    st.dictionaries(_keys, values, max_size=6),
)
profiles: st.SearchStrategy[Payload] = st.builds(
    lambda rest, content: {**rest, "PayloadContent": content},
    st.dictionaries(_keys, values, max_size=3),
    st.lists(payloads | values, max_size=4) | values,
)
