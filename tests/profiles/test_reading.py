"""Each form of a profile is recognised, and whatever is none is said to be none."""

import base64
import contextlib
import json
import plistlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProfileError
from gateway.profiles.android import GmailConfiguration
from gateway.profiles.apple import dump
from gateway.profiles.reading import (
    LIMIT_BYTES,
    AppleProfile,
    GraphProfiles,
    ManagedConfiguration,
    read,
    read_file,
    shown,
)
from gateway.profiles.signing import sign
from tests.profiles.samples import SIGNER, scep_profile

PROFILE = scep_profile()
XML = dump(PROFILE)
SIGNED = sign(XML, SIGNER.certificate, SIGNER.key, SIGNER.chain)
GRAPH: dict[str, Any] = {"@odata.type": "#microsoft.graph.iosEasEmailProfileConfiguration"}
GMAIL = GmailConfiguration("mail.example.test", "{{mail}}", "{{mail}}", "mail")
PEM = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(SIGNED) + b"-----END PKCS7-----\n"


def deep() -> list[Any]:
    """Two to the thirtieth values in a file of a few hundred bytes."""
    inside: list[Any] = []
    for _ in range(30):
        inside = [inside, inside]
    return inside


DEEP = deep()


@pytest.mark.parametrize(
    ("content", "is_signed"),
    [
        (XML, False),
        (b"\n\xef\xbb\xbf".strip() + XML, False),
        (plistlib.dumps(PROFILE, fmt=plistlib.FMT_BINARY), False),
        (SIGNED, True),
        (PEM, True),
    ],
    ids=["xml", "byte order mark", "binary", "signed", "pem"],
)
def test_apple(content: bytes, is_signed: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    """XML and binary property lists, and signed ones as DER and PEM."""
    found = read(content)
    assert isinstance(found, AppleProfile)
    assert found.values == PROFILE
    assert (found.signature is not None) == is_signed


@pytest.mark.parametrize(
    "value",
    [GRAPH, [GRAPH], {"value": [GRAPH]}, {"@odata.context": "x", "value": [GRAPH]}],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_graph(value: object, encoding: str) -> None:
    """One object, a list, and what Graph wraps round one, as PowerShell writes it, too."""
    assert read(json.dumps(value).encode(encoding)) == GraphProfiles((GRAPH,))


@pytest.mark.parametrize(
    "value", [GMAIL.values(), GMAIL.managed_properties(), {"managedConfiguration": GMAIL.values()}]
)
def test_gmail(value: object) -> None:
    """Gmail's keys are found alone and in what consoles wrap round them."""
    assert read(json.dumps(value).encode()) == ManagedConfiguration(GMAIL.values())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is neither an Apple profile"),
        (b"\x89PNG", "it is neither an Apple profile"),
        (b"{}", "it is JSON, but has neither @odata.type"),
        (b"[1, 2]", "it is JSON, but has neither @odata.type"),
        (b"{", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        (b"<html></html>", "it is no property list"),
        (plistlib.dumps([1]), "no dictionary"),
        (
            b"<plist><dict><key>RemovalDate</key><date>soon</date></dict></plist>",
            "no property list",
        ),
        (dump({"EncryptedPayloadContent": b"x"}), "EncryptedPayloadContent: it is encrypted"),
        (b"-----BEGIN CMS-----\n!!\n-----END CMS-----", "its PEM is no base64"),
        (b"\xff\xfe\x00", "begins like UTF-16"),
        (b" " * (LIMIT_BYTES + 1), "it is larger than 1048576 bytes"),
        (json.dumps([GRAPH] * 1001).encode(), "more than 1000 objects"),
        (json.dumps([1] * 200_001).encode(), "more than 200000 values"),
        (plistlib.dumps({"x": DEEP}, fmt=plistlib.FMT_BINARY), "more than 10000 values"),
    ],
)
def test_none(content: bytes, words: str) -> None:
    """What is no profile is an error that says what it is instead."""
    with pytest.raises(ProfileError, match=words.replace(".", r"\.")):
        read(content)


def test_file(tmp_path: Path) -> None:
    """The file is named in the error; one of any size is read to the limit alone."""
    path = tmp_path / "missing.mobileconfig"
    with pytest.raises(ProfileError, match=r"missing\.mobileconfig: cannot be read: No such file"):
        read_file(path)
    path.write_bytes(b"x" * (LIMIT_BYTES + 10))
    with pytest.raises(ProfileError, match=r"missing\.mobileconfig: is larger than"):
        read_file(path)


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda start, rest: start + rest,
        st.sampled_from([b"bplist00", b"<plist><dict>", b"{", b"[", b"\x30\x82", b"\xff\xfe"]),
        st.binary(max_size=300),
    )
)
def test_any_bytes(content: bytes) -> None:
    """Any bytes are a profile or a ProfileError."""
    with contextlib.suppress(ProfileError):
        read(content)


@pytest.mark.filterwarnings("ignore")  # the library warns of numbers that are wrong
@given(
    st.sampled_from([XML, plistlib.dumps(PROFILE, fmt=plistlib.FMT_BINARY), SIGNED]),
    st.integers(0, 400),
    st.binary(min_size=1, max_size=4),
)
def test_damaged(content: bytes, position: int, octets: bytes) -> None:
    """A damaged profile is a profile or a ProfileError."""
    with contextlib.suppress(ProfileError):
        read(content[:position] + octets + content[position + len(octets) :])


class TestShown:
    """Values of a file in a sentence."""

    def test_short_and_harmless(self) -> None:
        """Long texts are cut, control characters written out, containers only named."""
        assert shown("x" * 1000) == f"'{'x' * 100}'..."
        assert shown("\x1b[2J") == r"'\x1b[2J'"
        assert shown("\ud800") == r"'\ud800'"
        assert shown([["x"]]) == "a list"
        assert shown(10**5000) == "a int"
        assert [shown(one) for one in (True, None, 7)] == ["true", "nothing", "7"]
