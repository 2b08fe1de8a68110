"""What refused phones get, command by command and version by version."""

from dataclasses import replace

import pytest

from gateway.core.eas import COMMANDS, PROTOCOL_VERSIONS
from gateway.core.eas_answer import (
    WBXML_CONTENT_TYPE,
    DeviceRefusal,
    EasAnswer,
    refusal,
    status_answer,
)
from gateway.core.wbxml import decode
from gateway.errors import WbxmlError

# Root, and what leads to Status, in the bytes of the protocol's own tables.
DOCUMENTS = {
    "Sync": "45 4e %s 01 01",
    "MoveItems": "0005 45 4b %s 01 01",
    "GetItemEstimate": "0006 45 4e %s 01 01",
    "FolderCreate": "0007 53 4c %s 01 01",
    "FolderDelete": "0007 54 4c %s 01 01",
    "FolderUpdate": "0007 55 4c %s 01 01",
    "FolderSync": "0007 56 4c %s 01 01",
    "MeetingResponse": "0008 47 4a 4b %s 01 01 01",
    "ResolveRecipients": "000a 45 47 %s 01 01",
    "ValidateCert": "000b 45 4a %s 01 01",
    "Ping": "000d 45 47 %s 01 01",
    "Provision": "000e 45 4b %s 01 01",
    "Search": "000f 45 4c %s 01 01",
    "Settings": "0012 45 46 %s 01 01",
    "ItemOperations": "0014 45 4d %s 01 01",
    "SendMail": "0015 45 52 %s 01 01",
    "SmartForward": "0015 46 52 %s 01 01",
    "SmartReply": "0015 47 52 %s 01 01",
    "Find": "0019 45 4a %s 01 01",
}
WITHOUT_STATUS = COMMANDS - set(DOCUMENTS)
OLD_VERSIONS = ("2.5", "12.0", "12.1")
NEW_VERSIONS = sorted(PROTOCOL_VERSIONS - set(OLD_VERSIONS))
STATUSES = {
    DeviceRefusal.BLOCKED: (b"129", 403),
    DeviceRefusal.QUARANTINED: (b"129", 403),
    DeviceRefusal.TOO_MANY_DEVICES: (b"177", 403),
    DeviceRefusal.COMMAND_NOT_ALLOWED: (b"137", 501),
    DeviceRefusal.VERSION_NOT_ALLOWED: (b"138", 400),
    DeviceRefusal.WIPE_REQUESTED: (b"140", 449),
}


class TestNewVersions:
    """Protocol version 14.0 and later."""

    @pytest.mark.parametrize("command", DOCUMENTS)
    @pytest.mark.parametrize("reason", DeviceRefusal)
    def test_gets_the_status_in_the_schema_of_its_command(
        self, reason: DeviceRefusal, command: str
    ) -> None:
        """The answer is HTTP 200 with the common status where the command has its own."""
        status = f"03 {STATUSES[reason][0].hex()} 00"
        expected = bytes.fromhex("03016a00" + DOCUMENTS[command] % status)
        for version in NEW_VERSIONS:
            answer = refusal(reason, command, version)
            assert answer == EasAnswer(200, expected, WBXML_CONTENT_TYPE)
            assert answer.phrase == "OK"

    @pytest.mark.parametrize("command", sorted(WITHOUT_STATUS))
    @pytest.mark.parametrize("reason", DeviceRefusal)
    def test_without_a_status_in_the_schema_gets_http(
        self, reason: DeviceRefusal, command: str
    ) -> None:
        """A command whose answer has no place for a status gets the HTTP status and no body."""
        assert refusal(reason, command, "14.1") == EasAnswer(STATUSES[reason][1])


class TestOldVersions:
    """Before 14.0, and phones that name no version."""

    @pytest.mark.parametrize("version", [*OLD_VERSIONS, None])
    @pytest.mark.parametrize("reason", DeviceRefusal)
    def test_gets_the_http_status(self, reason: DeviceRefusal, version: str | None) -> None:
        """There are no common statuses: HTTP says it, and there is no body."""
        for command in (*DOCUMENTS, None):
            answer = refusal(reason, command, version)
            assert answer == EasAnswer(STATUSES[reason][1])
            assert answer.body == b""
            assert answer.content_type is None

    def test_without_a_command_gets_http(self) -> None:
        """A request without a command, such as OPTIONS may be, has no schema."""
        assert refusal(DeviceRefusal.BLOCKED, None, "14.1") == EasAnswer(403)

    @pytest.mark.parametrize(
        ("command", "status"), [("Sync", 403), ("FolderSync", 403), ("Ping", 449)]
    )
    def test_wipe_without_a_policy_key(self, command: str, status: int) -> None:
        """A phone that cannot provision gets 403; a Ping never has a key and says nothing."""
        reason = DeviceRefusal.WIPE_REQUESTED
        assert refusal(reason, command, "12.1", has_policy_key=False).status == status

    def test_the_policy_key_changes_no_other_refusal(self) -> None:
        """Only a wipe asks for provisioning."""
        for reason in set(DeviceRefusal) - {DeviceRefusal.WIPE_REQUESTED}:
            old = refusal(reason, "Sync", "12.1", has_policy_key=False)
            assert old == refusal(reason, "Sync", "12.1")


class TestSupportedVersions:
    """How a phone learns of the version to speak instead."""

    @pytest.mark.parametrize("version", ["12.1", "16.1"])
    def test_go_with_the_refusal_of_a_version(self, version: str) -> None:
        """Both headers list them, beside the answer that there is without."""
        reason = DeviceRefusal.VERSION_NOT_ALLOWED
        bare = refusal(reason, "Sync", version)
        told = refusal(reason, "Sync", version, supported_versions=("14.0", "14.1"))
        headers = (("X-MS-RP", "14.0,14.1"), ("MS-ASProtocolVersions", "14.0,14.1"))
        assert bare.headers == ()
        assert told == replace(bare, headers=headers)

    def test_go_with_no_other(self) -> None:
        """A phone that is refused for another reason must not throw its data away."""
        for reason in set(DeviceRefusal) - {DeviceRefusal.VERSION_NOT_ALLOWED}:
            assert refusal(reason, "Sync", "16.1", supported_versions=("14.1",)).headers == ()


class TestPhrase:
    """The reason phrase of the status line."""

    @pytest.mark.parametrize(
        ("status", "phrase"), [(403, "Forbidden"), (449, "Retry With"), (501, "Not Implemented")]
    )
    def test_is_that_of_the_status(self, status: int, phrase: str) -> None:
        """449 has one although no RFC names it."""
        assert EasAnswer(status).phrase == phrase


class TestStatusAnswer:
    """A status anywhere in a document."""

    def test_has_nothing_but_the_path(self) -> None:
        """Each element has the next one inside and nothing else."""
        answer = status_answer(("Search:Search", "Search:Response", "Search:Status"), 3)
        root = decode(answer.body)
        assert root.text_at("Search:Response", "Search:Status") == "3"
        assert len(root.children) == 1

    def test_unknown_tag(self) -> None:
        """A tag that no code page has is an error."""
        with pytest.raises(WbxmlError, match="Sync:Stat"):
            status_answer(("AirSync:Sync", "Sync:Stat"), 1)
