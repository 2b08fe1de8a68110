"""What of the protocol is let through, and what is announced."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decision import Deny
from gateway.core.eas import COMMANDS, PROTOCOL_VERSIONS, EasRequest
from gateway.core.eas_caps import Caps
from gateway.core.reasons import Reason

_ALL = b"2.0,2.5,12.0,12.1,14.0,14.1,16.0,16.1"


def _reason(caps: Caps, command: str | None, version: str | None) -> Reason | None:
    denial = caps.judge(EasRequest(command=command, protocol_version=version))
    return None if denial is None else denial.reason


class TestRequests:
    """Which requests are let through."""

    @given(st.sampled_from(sorted(COMMANDS)), st.sampled_from([None, *sorted(PROTOCOL_VERSIONS)]))
    def test_by_default_all(self, command: str, version: str | None) -> None:
        """Whatever the protocol knows."""
        assert _reason(Caps(), command, version) is None

    @pytest.mark.parametrize(
        ("version", "reason"),
        [
            ("14.1", None),
            ("12.1", None),
            ("12.0", Reason.PROTOCOL_VERSION_NOT_ALLOWED),
            ("16.0", Reason.PROTOCOL_VERSION_NOT_ALLOWED),
            (None, Reason.PROTOCOL_VERSION_NOT_ALLOWED),
        ],
    )
    def test_versions_between_two(self, version: str | None, reason: Reason | None) -> None:
        """The bounds belong to it; a request without a version is of the oldest."""
        assert _reason(Caps(min_version="12.1", max_version="14.1"), "Sync", version) is reason

    def test_no_version_is_the_oldest(self) -> None:
        """Below every lowest version but its own, and above none."""
        assert _reason(Caps(max_version="12.0"), "Sync", None) is None
        reason = _reason(Caps(min_version="12.0"), "Sync", None)
        assert reason is Reason.PROTOCOL_VERSION_NOT_ALLOWED

    def test_the_versions_are_named_in_their_order(self) -> None:
        """Those that a phone may name, from the lowest to the highest that is let through."""
        assert Caps(min_version="12.1", max_version="16.0").versions == (
            "12.1",
            "14.0",
            "14.1",
            "16.0",
        )

    def test_a_command_that_is_left_out(self) -> None:
        """It is refused in every version."""
        caps = Caps(commands=frozenset({"Sync"}))
        assert _reason(caps, "Sync", "14.1") is None
        assert _reason(caps, "Find", "16.1") is Reason.COMMAND_NOT_ALLOWED

    @pytest.mark.parametrize("command", ["OPTIONS", None])
    def test_options_is_no_question(self, command: str | None) -> None:
        """A phone learns by it what it may use, and its version does not matter."""
        caps = Caps(max_version="12.0", commands=frozenset({"Sync"}))
        assert _reason(caps, command, "16.1") is None

    def test_the_details_name_the_keys(self) -> None:
        """So that an administrator knows what to change."""
        version = Caps(max_version="12.0").judge(EasRequest("Sync", protocol_version="14.0"))
        command = Caps(commands=frozenset({"Sync"})).judge(EasRequest("Ping"))
        assert isinstance(version, Deny)
        assert isinstance(command, Deny)
        assert "eas.max_protocol_version" in version.detail
        assert "eas.allowed_commands" in command.detail


class TestAnswers:
    """What an answer announces."""

    def test_by_default_all_that_the_server_does(self) -> None:
        """Versions older than any that is let in by name are left to the server."""
        headers = [(b"MS-ASProtocolVersions", _ALL), (b"Date", b"d")]
        assert Caps().narrow(headers) == headers

    @pytest.mark.parametrize(
        "name", [b"MS-ASProtocolVersions", b"ms-asprotocolversions", b"X-MS-RP"]
    )
    def test_versions(self, name: bytes) -> None:
        """In both fields that name them, whatever their letter case (RFC 9110 section 5.1)."""
        caps = Caps(min_version="12.0", max_version="14.1")
        assert caps.narrow([(name, _ALL)]) == [(name, b"12.0,12.1,14.0,14.1")]

    def test_versions_with_spaces_and_nonsense(self) -> None:
        """Spaces are passed over; what is no version is not announced."""
        caps = Caps(max_version="14.1")
        narrowed = caps.narrow([(b"MS-ASProtocolVersions", b"2.5, 12.0 ,x,16.1,")])
        assert narrowed == [(b"MS-ASProtocolVersions", b"2.5,12.0")]

    def test_commands(self) -> None:
        """Those that are not let through are not announced."""
        caps = Caps(commands=frozenset({"Sync", "Ping"}))
        narrowed = caps.narrow([(b"MS-ASProtocolCommands", b"Sync,SendMail,Ping,Find")])
        assert narrowed == [(b"MS-ASProtocolCommands", b"Sync,Ping")]

    def test_a_list_of_which_nothing_is_left(self) -> None:
        """It is dropped: an empty list says nothing that a phone could use."""
        headers = [(b"X-MS-RP", b"16.0,16.1"), (b"X-Other", b"")]
        assert Caps(max_version="12.0").narrow(headers) == [(b"X-Other", b"")]

    def test_other_fields_of_the_same_length(self) -> None:
        """They are left alone."""
        headers = [(b"Expires", b"16.1"), (b"Content-Languages----", b"16.1")]
        assert Caps(max_version="12.0").narrow(headers) == headers
