"""The base64 form of the query, byte by byte."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.eas import COMMAND_CODES, EasRequest, QueryForm
from gateway.core.eas_base64 import decode_blob, encode_blob
from gateway.errors import RequestError

SYNC = "jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l"
ITEM_OPERATIONS = "oRMJBBABI0VniavN7wEjRWeJq83vBGBI6k0GaVBob25lBwECCBB1c2VyQGNvbnRvc28uY29t"
SEND_MAIL = "jQEJBARERVYxBAAAAAACU1AHAQE="

words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)
tags = st.dictionaries(st.integers(0, 6), words.map(str.encode), max_size=4)


def blob(
    *,
    version: int = 141,
    command: int = 0,
    device_id: bytes = b"DEV1",
    policy_key: bytes = b"",
    device_type: bytes = b"SP",
    rest: bytes = b"",
) -> str:
    """Write a blob by hand; a test names the field it is about."""
    counted = b"".join(bytes((len(f),)) + f for f in (device_id, policy_key, device_type))
    return base64.b64encode(bytes((version, command, 9, 4)) + counted + rest).decode()


class TestExamples:
    """Blobs whose every byte is known."""

    def test_sync(self) -> None:
        """The specification's own example: text device id, no policy key."""
        assert decode_blob(SYNC) == EasRequest(
            command="Sync",
            device_id="v140Device",
            device_type="SmartPhone",
            protocol_version="14.0",
            locale=0x409,
            query_form=QueryForm.BASE64,
        )

    def test_item_operations(self) -> None:
        """Raw device bytes are read as hex, the policy key as little-endian, User by its tag."""
        assert decode_blob(ITEM_OPERATIONS) == EasRequest(
            command="ItemOperations",
            user="user@contoso.com",
            device_id="0123456789abcdef0123456789abcdef",
            device_type="iPhone",
            protocol_version="16.1",
            policy_key=1307199584,
            locale=0x409,
            parameters=(("Options", "2"),),
            query_form=QueryForm.BASE64,
            device_id_is_hex=True,
        )

    def test_send_mail(self) -> None:
        """A policy key of zero is a policy key."""
        request = decode_blob(SEND_MAIL)
        assert (request.command, request.policy_key) == ("SendMail", 0)
        assert request.parameters == (("Options", "1"),)

    @pytest.mark.parametrize("text", [SYNC, ITEM_OPERATIONS, SEND_MAIL])
    def test_are_written_as_the_same_bytes(self, text: str) -> None:
        """What was read is written as it came."""
        assert encode_blob(decode_blob(text)) == text.encode()


class TestSpelling:
    """Ways in which clients write base64."""

    def test_padding_may_be_missing_or_encoded(self) -> None:
        """A blob without its padding, or with it percent-encoded, is the same blob."""
        for spelling in ("jQEJBARERVYxBAAAAAACU1AHAQE", SEND_MAIL.replace("=", "%3d")):
            assert decode_blob(spelling) == decode_blob(SEND_MAIL)

    def test_plus_and_slash_may_be_encoded(self) -> None:
        """A raw plus is never a space, and may be percent-encoded like the slash."""
        raw = blob(device_id=b"\x00\xfb\xef\xbe\xff\xff\xff")
        assert "+" in raw
        assert "/" in raw
        for plus, slash in (("%2b", "%2f"), ("%2B", "%2F")):
            assert decode_blob(raw.replace("+", plus).replace("/", slash)) == decode_blob(raw)
        assert encode_blob(decode_blob(raw)) == raw.encode()

    @pytest.mark.parametrize("text", [SEND_MAIL + "=", SYNC + "=", SYNC + "A", SYNC + "===="])
    def test_wrong_padding_is_refused(self, text: str) -> None:
        """Padding that the length does not ask for is refused."""
        with pytest.raises(RequestError, match="padding"):
            decode_blob(text)


class TestRefusals:
    """Blobs that cannot be read, and requests that cannot be written."""

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            (base64.b64encode(b"\x8d\x00\t\x04\x01a\x00").decode(), "shorter than 8"),
            (blob(version=120), "unknown protocol version"),
            (blob(version=25), "unknown protocol version"),
            (blob(command=5), "command code"),
            (blob(command=24), "command code"),
            (blob(device_id=b""), "empty device id"),
            (blob(policy_key=b"\x00"), "neither 0 nor 4"),
            (blob(device_type=b"S\x00P"), "device type"),
            (blob(device_type=b"\xc3\xbc"), "device type"),
            (blob(rest=b"\x08"), "past its end"),
            (blob(rest=b"\x08\x05user"), "past its end"),
            (blob(rest=b"\x09\x00"), "unknown parameter tag"),
            (blob(rest=b"\x08\x01a\x08\x01b"), "User twice"),
            (blob(rest=b"\x03\x01a\x03\x01a"), "ItemId twice"),
            (blob(rest=b"\x07\x00"), "not one byte"),
            (blob(rest=b"\x07\x02\x01\x01"), "not one byte"),
            (blob(rest=b"\x08\x01\xff"), "User in the base64 query is not UTF-8"),
            (blob(rest=b"\x08\x02a\x00"), "User in the base64 query has a control"),
        ],
    )
    def test_broken_blob(self, text: str, sentence: str) -> None:
        """Each way of breaking a blob is refused with its own sentence."""
        with pytest.raises(RequestError, match=sentence):
            decode_blob(text)

    @pytest.mark.parametrize(
        ("request_", "sentence"),
        [
            (replace(decode_blob(SYNC), user="a" * 256), "255 bytes"),
            (replace(decode_blob(SYNC), command="Notify"), "no code for 'Notify'"),
            (replace(decode_blob(SYNC), command=None), "no code for ''"),
            (replace(decode_blob(SYNC), protocol_version="12.0"), "no code for '12.0'"),
            (replace(decode_blob(SYNC), protocol_version=None), "no code for ''"),
            (replace(decode_blob(SYNC), parameters=(("SaveInSent", "T"),)), "'SaveInSent'"),
        ],
    )
    def test_what_the_form_cannot_hold(self, request_: EasRequest, sentence: str) -> None:
        """A replaced value that has no place in a blob is an error, not a wrong blob."""
        with pytest.raises(RequestError, match=sentence):
            encode_blob(request_)


class TestProperties:
    """What holds for every blob."""

    def test_empty_user_is_no_user(self) -> None:
        """An empty User says nothing."""
        assert decode_blob(blob(rest=b"\x08\x00")).user is None

    def test_parameters_keep_their_order(self) -> None:
        """Parameters are kept as sent, and User is written behind them."""
        request = decode_blob(blob(rest=b"\x08\x01u\x03\x01i\x01\x01c"))
        assert request.parameters == (("ItemId", "i"), ("CollectionId", "c"))
        assert base64.b64decode(encode_blob(request)).endswith(b"\x03\x01i\x01\x01c\x08\x01u")

    @given(
        version=st.sampled_from([121, 140, 141, 160, 161]),
        command=st.sampled_from(sorted(COMMAND_CODES)),
        device_id=st.binary(min_size=1, max_size=255),
        policy_key=st.one_of(st.just(b""), st.binary(min_size=4, max_size=4)),
        parameters=tags,
    )
    def test_round_trip(
        self,
        version: int,
        command: int,
        device_id: bytes,
        policy_key: bytes,
        parameters: dict[int, bytes],
    ) -> None:
        """Any well-formed blob is written as the same bytes."""
        rest = b"".join(bytes((tag, len(v))) + v for tag, v in parameters.items())
        text = blob(
            version=version, command=command, device_id=device_id, policy_key=policy_key, rest=rest
        )
        assert encode_blob(decode_blob(text)) == text.encode()

    @given(st.binary(max_size=60))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes behind a good beginning give a request that reads back, or one named error."""
        text = base64.b64encode(b"\x8d\x00\t\x04\x01a" + data).decode()
        try:
            request = decode_blob(text)
        except RequestError:
            return
        assert decode_blob(encode_blob(request).decode()) == request
