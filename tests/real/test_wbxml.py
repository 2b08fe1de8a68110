"""libwbxml reads what the gateway writes, and the gateway reads what libwbxml writes.

libwbxml 0.11.8 knows the tags up to protocol version 14.1. What came later (the Find command, the
wipe of the account alone) is read by pyactivesync where it knows it, and else held to the numbers
of MS-ASWBXML in tests/core.
"""

import subprocess
import xml.etree.ElementTree as ET

import pytest
from pyactivesync import _wbxml as pyactivesync_codec

from gateway.core.device import WipeKind
from gateway.core.eas_answer import DeviceRefusal, refusal
from gateway.core.eas_device_information import DeviceInformation, read_device_information
from gateway.core.eas_held import clamp, heartbeat_out_of_bounds, seconds_held
from gateway.core.eas_provision import ProvisionRequest, ProvisionStep, read_provision, wipe_answer
from gateway.core.wbxml import Element, decode, element, encode
from gateway.proxy.answers import nothing_new

_DOCUMENT_TYPE = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE ActiveSync PUBLIC '
    '"-//MICROSOFT//DTD ActiveSync//EN" "http://www.microsoft.com/">'
)


def xml_of(octets: bytes) -> str:
    """The document as libwbxml reads it, without name spaces and white space."""
    # The public identifier of ActiveSync is "unknown", so that the language has to be named.
    read = _run(octets, "wbxml2xml", "-l", "AIRSYNC", "-o", "-", "-")
    root = ET.fromstring(read)
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
        one.text = (one.text or "").strip() or None
        one.tail = None
    return ET.tostring(root, encoding="unicode").replace(" />", "/>")


def wbxml_of(xml: str) -> bytes:
    """The document as libwbxml writes it, with the header that ActiveSync has."""
    return _run((_DOCUMENT_TYPE + xml).encode(), "xml2wbxml", "-n", "-a", "-o", "-", "-")


def _run(given: bytes, *command: str) -> bytes:
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


REFUSED = {
    command: f"<{command}><Status>%s</Status></{command}>"
    for command in (
        *("Sync", "FolderSync", "FolderCreate", "FolderDelete", "FolderUpdate", "MoveItems"),
        *("GetItemEstimate", "ResolveRecipients", "ValidateCert", "Ping", "Provision", "Search"),
        *("Settings", "ItemOperations", "SendMail", "SmartForward", "SmartReply"),
    )
} | {"MeetingResponse": ("<MeetingResponse><Result><Status>%s</Status></Result></MeetingResponse>")}
STATUSES = {
    DeviceRefusal.BLOCKED: 129,
    DeviceRefusal.QUARANTINED: 129,
    DeviceRefusal.TOO_MANY_DEVICES: 177,
    DeviceRefusal.COMMAND_NOT_ALLOWED: 137,
    DeviceRefusal.VERSION_NOT_ALLOWED: 138,
    DeviceRefusal.WIPE_REQUESTED: 140,
}


class TestRefusals:
    """What refused phones get."""

    @pytest.mark.parametrize("command", REFUSED)
    def test_read_by_libwbxml(self, command: str) -> None:
        """Each command's refusal is its root with its status, for every reason."""
        for reason, status in STATUSES.items():
            answer = refusal(reason, command, "14.1")
            assert xml_of(answer.body) == REFUSED[command] % status

    @pytest.mark.parametrize(
        "command", sorted({*REFUSED, "Find"} - {"MeetingResponse", "ValidateCert"})
    )
    def test_read_by_pyactivesync(self, command: str) -> None:
        """A phone's own codec, which knows Find, finds the status where it looks for it."""
        answer = refusal(DeviceRefusal.BLOCKED, command, "16.1")
        [root] = pyactivesync_codec.WBXMLReader(answer.body).parse()
        page, _, tag = root[0].partition(".")
        assert tag == command
        assert root[2] == [(f"{page}.Status", None, [("#text", "129", [])])]


class TestProvision:
    """The dialogue of a wipe."""

    def test_directive(self) -> None:
        """The directive is an empty RemoteWipe beside Status 1."""
        assert xml_of(wipe_answer(ProvisionRequest(), WipeKind.FULL).body) == (
            "<Provision><Status>1</Status><RemoteWipe/></Provision>"
        )

    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            ("1", "<Provision><Status>1</Status></Provision>"),
            ("2", "<Provision><Status>2</Status><RemoteWipe/></Provision>"),
        ],
    )
    def test_acknowledgement(self, status: str, answer: str) -> None:
        """The phone's word, in libwbxml's bytes, is read and answered."""
        request = read_provision(
            wbxml_of(
                '<Provision xmlns="Provision:"><RemoteWipe><Status>'
                f"{status}</Status></RemoteWipe></Provision>"
            )
        )
        assert (request.wipe, request.succeeded) == (WipeKind.FULL, status == "1")
        assert xml_of(wipe_answer(request, WipeKind.FULL).body) == answer

    def test_empty_request(self) -> None:
        """The request by which a phone comes for its wipe."""
        assert read_provision(wbxml_of('<Provision xmlns="Provision:"/>')) == ProvisionRequest()

    def test_policy_request(self) -> None:
        """A policy request of 14.1, which has the device's information in it."""
        body = wbxml_of(
            '<Provision xmlns="Provision:" xmlns:s="Settings:"><s:DeviceInformation><s:Set>'
            "<s:Model>iPhone15C2</s:Model><s:IMEI>358240051111110</s:IMEI><s:OS>iOS 18.1</s:OS>"
            "<s:UserAgent>Apple-iPhone15C2/2202.83</s:UserAgent></s:Set></s:DeviceInformation>"
            "<Policies><Policy><PolicyType>MS-EAS-Provisioning-WBXML</PolicyType></Policy>"
            "</Policies></Provision>"
        )
        device = DeviceInformation("iPhone15C2", "iOS 18.1")
        assert read_provision(body) == ProvisionRequest(ProvisionStep.POLICY_REQUEST, device=device)

    def test_policy_acknowledgement(self) -> None:
        """The second half of that dialogue."""
        body = wbxml_of(
            '<Provision xmlns="Provision:"><Policies><Policy><PolicyType>MS-EAS-Provisioning-WBXML'
            "</PolicyType><PolicyKey>1307199584</PolicyKey><Status>1</Status></Policy></Policies>"
            "</Provision>"
        )
        assert read_provision(body) == ProvisionRequest(
            ProvisionStep.POLICY_ACKNOWLEDGEMENT, succeeded=True
        )


def test_settings() -> None:
    """Device information of Settings, with characters beyond ASCII."""
    body = wbxml_of(
        '<Settings xmlns="Settings:"><DeviceInformation><Set><Model>SM-S921B</Model>'
        "<FriendlyName>Jürgens Telefon</FriendlyName><OS>Android für Köln</OS>"
        "<PhoneNumber>+4930123456</PhoneNumber></Set></DeviceInformation></Settings>"
    )
    assert read_device_information(body) == DeviceInformation(
        model="SM-S921B", os="Android für Köln"
    )


PING = (
    '<Ping xmlns="Ping:"><HeartbeatInterval>%d</HeartbeatInterval><Folders><Folder><Id>5</Id>'
    "<Class>Email</Class></Folder></Folders></Ping>"
)
SYNC = (
    '<Sync xmlns="AirSync:"><Collections><Collection><SyncKey>7</SyncKey><CollectionId>5'
    "</CollectionId></Collection></Collections><%s>%d</%s></Sync>"
)


class TestHeld:
    """Ping and Sync."""

    @pytest.mark.parametrize(
        ("command", "xml", "seconds"),
        [
            ("Ping", PING % 480, 480),
            ("Sync", SYNC % ("Wait", 59, "Wait"), 3540),
            ("Sync", SYNC % ("HeartbeatInterval", 90, "HeartbeatInterval"), 90),
        ],
    )
    def test_read(self, command: str, xml: str, seconds: int) -> None:
        """The interval is read from libwbxml's bytes."""
        assert seconds_held(command, wbxml_of(xml)) == seconds

    @pytest.mark.parametrize(
        ("command", "xml", "clamped"),
        [
            ("Ping", PING % 3600, PING % 1800),
            ("Sync", SYNC % ("Wait", 59, "Wait"), SYNC % ("Wait", 30, "Wait")),
        ],
    )
    def test_clamped(self, command: str, xml: str, clamped: str) -> None:
        """A clamped body is the bytes that libwbxml writes for it."""
        assert clamp(command, wbxml_of(xml), 60, 1800) == wbxml_of(clamped)

    @pytest.mark.parametrize(
        ("command", "xml", "answer"),
        [
            (
                "Ping",
                PING % 30,
                "<Ping><Status>5</Status><HeartbeatInterval>60</HeartbeatInterval></Ping>",
            ),
            (
                "Sync",
                SYNC % ("Wait", 59, "Wait"),
                "<Sync><Status>14</Status><Limit>30</Limit></Sync>",
            ),
        ],
    )
    def test_out_of_bounds(self, command: str, xml: str, answer: str) -> None:
        """The answer tells the phone the nearest allowed value."""
        body = heartbeat_out_of_bounds(command, wbxml_of(xml), 60, 1800)
        assert body is not None
        assert xml_of(body) == answer

    def test_ended_early(self) -> None:
        """A Ping that is ended by the gateway says that its time is over."""
        answer = nothing_new("Ping", 0.0)
        assert answer is not None
        body = answer.partition(b"\r\n\r\n")[2]
        assert xml_of(body) == "<Ping><Status>1</Status></Ping>"


def _elements(xml: ET.Element, page: str) -> Element:
    """Our element for libwbxml's reading, of one code page."""
    text = [xml.text] if xml.text else []
    return element(f"{page}:{xml.tag}", *text, *(_elements(one, page) for one in xml))


@pytest.mark.parametrize(
    ("page", "xml"),
    [
        ("FolderHierarchy", "<FolderSync><Status>1</Status><SyncKey>1</SyncKey></FolderSync>"),
        ("Provision", "<Provision><Status>1</Status><RemoteWipe/></Provision>"),
        ("Settings", "<Settings><Status>1</Status><DeviceInformation/></Settings>"),
        ("Move", "<MoveItems><Move><SrcMsgId>5:1</SrcMsgId></Move></MoveItems>"),
        ("Search", "<Search><Store><Name>GAL</Name><Query>Jürgen</Query></Store></Search>"),
    ],
)
def test_codec_both_ways(page: str, xml: str) -> None:
    """The same tree is the same bytes in either codec, and either reads the other's."""
    root = _elements(ET.fromstring(xml), page)
    [first, *rest] = xml[1:].partition(">")
    octets = wbxml_of(f'<{first} xmlns="{page}:"{"".join(rest)}')
    assert encode(root) == octets
    assert decode(octets) == root
    assert xml_of(octets) == xml
