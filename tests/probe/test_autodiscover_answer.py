"""Answers of Autodiscover are read, or refused with one error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestError
from gateway.probe.autodiscover_answer import Discovered, read_json, read_xml

URL = "https://mail.example.test/Microsoft-Server-ActiveSync"


def xml(inside: str) -> bytes:
    """An answer with that in its Response."""
    outer = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
    inner = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
    response = f'<Response xmlns="{inner}">{inside}</Response>'
    return f'<?xml version="1.0"?><Autodiscover xmlns="{outer}">{response}</Autodiscover>'.encode()


class TestXml:
    """The form of MS-ASCMD 4.2.4."""

    def test_server_and_user(self) -> None:
        """The URL of the server of the type MobileSync, and the user's address."""
        server = f"<Server><Type>MobileSync</Type><Url>{URL}</Url><Name>x</Name></Server>"
        enrol = "<Server><Type>CertEnroll</Type><Url>https://ca.example.test</Url></Server>"
        user = "<User><EMailAddress>a@example.test</EMailAddress></User>"
        body = xml(f"{user}<Action><Settings>{enrol}{server}</Settings></Action>")
        assert read_xml(body) == Discovered(url=URL, email="a@example.test")

    def test_server_without_address(self) -> None:
        """It is passed over, and has not the address of the next one."""
        bare = "<Server><Type>MobileSync</Type></Server>"
        enrol = "<Server><Type>CertEnroll</Type><Url>https://ca.example.test</Url></Server>"
        server = f"<Server><Type>MobileSync</Type><Url>{URL}</Url></Server>"
        body = xml(f"<Action><Settings>{bare}{enrol}{server}</Settings></Action>")
        assert read_xml(body) == Discovered(url=URL)

    def test_redirect(self) -> None:
        """Another address to ask for."""
        body = xml("<Action><Redirect>b@example.test</Redirect></Action>")
        assert read_xml(body) == Discovered(redirect="b@example.test")

    @pytest.mark.parametrize(
        "inside",
        [
            "<Error><ErrorCode>600</ErrorCode></Error>",
            "<Action><Error><Status>600</Status></Error></Action>",
        ],
    )
    def test_error(self, inside: str) -> None:
        """Both places that an error may have."""
        assert read_xml(xml(inside)) == Discovered(error="600")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"<html>", "not XML"),
            (b"\xff\xfe\x00", "not XML"),
            (xml("<Action/>"), "names no server"),
            (xml("<Error><ErrorCode>1</ErrorCode></Error>").replace(b"Auto", b"x"), "xdiscover"),
            (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "document type"),
            (b"<a>" * 40 + b"</a>" * 40, "too many elements"),
            (b"<a>" + b"x" * 300_000 + b"</a>", "more than"),
        ],
    )
    def test_refused(self, body: bytes, words: str) -> None:
        """What is no answer says why."""
        with pytest.raises(RequestError, match=words):
            read_xml(body)

    @given(st.binary(max_size=200) | st.text("<>/&;!ab'\"", max_size=60).map(str.encode))
    def test_any_bytes(self, body: bytes) -> None:
        """Whatever came is read, or refused with that one error."""
        with contextlib.suppress(RequestError):
            read_xml(body)


class TestJson:
    """The second version's form."""

    def test_url(self) -> None:
        """Letter case of the protocol aside."""
        body = b'{"Protocol":"activesync","Url":"%b"}' % URL.encode()
        assert read_json(body) == Discovered(url=URL)

    def test_error(self) -> None:
        """The code of an error."""
        assert read_json(b'{"ErrorCode":"InvalidProtocol"}') == Discovered(error="InvalidProtocol")

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b'{"Url":"x","Protocol":"ews"}', b"[" * 9999, b" " * 300_000]
    )
    def test_refused(self, body: bytes) -> None:
        """What is neither."""
        with pytest.raises(RequestError):
            read_json(body)

    @given(st.binary(max_size=100))
    def test_any_bytes(self, body: bytes) -> None:
        """Whatever came is read, or refused with that one error."""
        with contextlib.suppress(RequestError):
            read_json(body)
