"""The facts of an ActiveSync request and its two headers."""

import pytest

from gateway.core.eas import COMMANDS, EasRequest, QueryForm, with_headers
from gateway.errors import RequestError

PLAIN = EasRequest(command="Sync", device_id="D1", query_form=QueryForm.PLAIN)
BLOB = EasRequest(
    command="Sync",
    device_id="D1",
    protocol_version="14.1",
    policy_key=7,
    query_form=QueryForm.BASE64,
)


class TestWithHeaders:
    """Version and policy key of the headers and of the query are one."""

    def test_headers_complete_a_plain_query(self) -> None:
        """Version and policy key of a plain query come from its headers."""
        request = with_headers(PLAIN, protocol_version=b"16.1", policy_key=b"4294967295")
        assert (request.protocol_version, request.policy_key) == ("16.1", 4294967295)
        assert (request.command, request.device_id) == ("Sync", "D1")

    def test_absent_headers_change_nothing(self) -> None:
        """A request without the two headers stays what its query said."""
        assert with_headers(PLAIN, protocol_version=None, policy_key=None) == PLAIN
        assert with_headers(BLOB, protocol_version=None, policy_key=None) == BLOB

    def test_headers_may_repeat_the_blob(self) -> None:
        """A base64 query may come with headers that say the same."""
        assert with_headers(BLOB, protocol_version=b" 14.1\t", policy_key=b"007") == BLOB

    def test_a_header_gives_the_key_that_a_blob_left_out(self) -> None:
        """A blob of policy key length 0 is completed by X-MS-PolicyKey."""
        blob = EasRequest(protocol_version="14.1", query_form=QueryForm.BASE64)
        assert with_headers(blob, protocol_version=None, policy_key=b"9").policy_key == 9

    def test_version_against_the_blob_is_refused(self) -> None:
        """SOGo believes the header and Z-Push the blob, so the two may not differ."""
        with pytest.raises(RequestError, match="MS-ASProtocolVersion contradicts"):
            with_headers(BLOB, protocol_version=b"16.1", policy_key=None)

    def test_policy_key_against_the_blob_is_refused(self) -> None:
        """A policy key of zero in the blob is a key, and the header may not name another."""
        blob = EasRequest(policy_key=0, query_form=QueryForm.BASE64)
        with pytest.raises(RequestError, match="X-MS-PolicyKey contradicts"):
            with_headers(blob, protocol_version=None, policy_key=b"1")

    @pytest.mark.parametrize("version", [b"", b"16", b"16.10", b"14.1,16.1", b"\xff", b"14 .1"])
    def test_unknown_version_is_refused(self, version: bytes) -> None:
        """A version that the protocol does not have is no version."""
        with pytest.raises(RequestError, match="names no version"):
            with_headers(PLAIN, protocol_version=version, policy_key=None)

    @pytest.mark.parametrize("key", [b"", b"-1", b"1.0", b"0x1", b"1,1", b"\xb2", b"00000000001"])
    def test_policy_key_that_is_no_number_is_refused(self, key: bytes) -> None:
        """A policy key is decimal digits, ten at most."""
        with pytest.raises(RequestError, match="is no number"):
            with_headers(PLAIN, protocol_version=None, policy_key=key)

    def test_policy_key_beyond_32_bits_is_refused(self) -> None:
        """A policy key is an unsigned number of 32 bits."""
        with pytest.raises(RequestError, match="larger than 32 bits"):
            with_headers(PLAIN, protocol_version=None, policy_key=b"4294967296")


def test_commands_hold_the_plain_only_ones() -> None:
    """Commands without a code in the base64 form are commands nevertheless."""
    assert {"Sync", "Find", "GetHierarchy", "OPTIONS"} <= COMMANDS
