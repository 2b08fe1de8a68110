"""Autodiscover in XML: what is asked, what is answered, what of a mail server's answer is taken."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.autodiscover import (
    INVALID_REQUEST,
    NO_PROVIDER,
    Found,
    Question,
    read_answer,
    read_question,
    write_answer,
    write_error,
    write_question,
)
from gateway.core.xml_tree import parse_xml

_REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
_RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
_OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_URL = "https://gateway.example/Microsoft-Server-ActiveSync"
_INSIDE = "https://mail.example/Microsoft-Server-ActiveSync"
_AT = datetime(2026, 3, 1, 12, 34, 56, 789, tzinfo=UTC)


def _ask(request: str) -> bytes:
    return f'<Autodiscover xmlns="{_REQUEST}">{request}</Autodiscover>'.encode()


def _address(text: str = "a@x.example") -> str:
    return f"<EMailAddress>{text}</EMailAddress>"


def _schema(uri: str = _RESPONSE) -> str:
    return f"<AcceptableResponseSchema>{uri}</AcceptableResponseSchema>"


class TestQuestion:
    """What a phone asks."""

    def test_the_documented_request(self) -> None:
        """MS-ASCMD section 4.2.4, with the white space of a person."""
        body = b"""<?xml version="1.0" encoding="utf-8"?>
            <Autodiscover
            xmlns="http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006">
              <Request>
                <EMailAddress>chris@woodgrovebank.com</EMailAddress>
                <AcceptableResponseSchema>
            http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006
                </AcceptableResponseSchema>
              </Request>
            </Autodiscover>"""
        assert read_question(body) == Question("chris@woodgrovebank.com", None)

    @pytest.mark.parametrize(
        ("body", "address", "error"),
        [
            (b"", None, INVALID_REQUEST),
            (b"<Other/>", None, INVALID_REQUEST),
            (_ask(""), None, INVALID_REQUEST),
            (_ask("<Request/>" * 2), None, INVALID_REQUEST),
            (_ask(f"<Request>{_schema()}</Request>"), None, INVALID_REQUEST),
            (_ask(f"<Request>{_address()}</Request>"), "a@x.example", INVALID_REQUEST),
            (_ask(f"<Request>{_address() * 2}{_schema()}</Request>"), None, INVALID_REQUEST),
            (_ask(f"<Request>{_address('')}{_schema()}</Request>"), None, INVALID_REQUEST),
            (_ask(f"<Request>{_address('a b')}{_schema()}</Request>"), None, INVALID_REQUEST),
            (_ask(f"<Request>{_address('a' * 321)}{_schema()}</Request>"), None, INVALID_REQUEST),
            (
                _ask(f"<Request>{_address()}{_schema(_OUTLOOK)}</Request>"),
                "a@x.example",
                NO_PROVIDER,
            ),
            (_ask(f"<Request>{_address()}{_schema('x')}</Request>"), "a@x.example", NO_PROVIDER),
            (
                f"<Other><Request>{_address()}{_schema()}</Request></Other>".encode(),
                None,
                INVALID_REQUEST,
            ),
        ],
    )
    def test_wrong_requests(self, body: bytes, address: str | None, error: int) -> None:
        """600 for what is wrong, 601 for another schema; who is named is known all the same."""
        assert read_question(body) == Question(address, error)

    @given(st.binary())
    def test_any_bytes_are_a_question(self, body: bytes) -> None:
        """Never an exception."""
        assert read_question(body).error in {INVALID_REQUEST, NO_PROVIDER, None}

    @given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=100))
    def test_what_is_written_is_read(self, address: str) -> None:
        """The mail server sees the address that was meant."""
        assert read_question(write_question(address)) == Question(address, None)


class TestAnswer:
    """What a phone is told."""

    def test_the_url_is_in_url_and_name(self) -> None:
        """MS-ASCMD section 4.2.4."""
        root = parse_xml(write_answer(Found("Ann & Bob <x>", "a@x.example"), _URL))
        response = root.only("Response")
        assert response is not None
        assert (root.namespace, response.namespace) == (
            "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006",
            _RESPONSE,
        )
        texts = []
        todo = [response]
        while todo:
            one = todo.pop(0)
            texts.append((one.name, one.text))
            todo += one.children
        assert [pair for pair in texts if pair[1]] == [
            ("Culture", "en:us"),
            ("DisplayName", "Ann & Bob <x>"),
            ("EMailAddress", "a@x.example"),
            ("Type", "MobileSync"),
            ("Url", _URL),
            ("Name", _URL),
        ]

    @pytest.mark.parametrize(
        ("code", "message"),
        [(INVALID_REQUEST, "Invalid Request"), (NO_PROVIDER, "Provider is not available")],
    )
    def test_an_error(self, code: int, message: str) -> None:
        """With its code and its time, in the schema of errors."""
        written = write_error(code, _AT)
        assert b'<Error Time="12:34:56.000789" Id="1">' in written
        response = parse_xml(written).only("Response")
        assert response is not None
        error = response.only("Error")
        assert error is not None
        assert [(one.name, one.text) for one in error.children] == [
            ("ErrorCode", str(code)),
            ("Message", message),
            ("DebugData", ""),
        ]


def _server(url: str = _INSIDE, name: str = _INSIDE, kind: str = "MobileSync") -> str:
    return f"<Server><Type>{kind}</Type><Url>{url}</Url><Name>{name}</Name></Server>"


def _answer(
    servers: str = _server(), user: str = "<DisplayName>Ann</DisplayName>" + _address()
) -> bytes:
    return (
        f"<Autodiscover><Response><Culture>de:de</Culture><User>{user}</User>"
        f"<Action><Settings>{servers}</Settings></Action></Response></Autodiscover>"
    ).encode()


class TestServersAnswer:
    """What of a mail server's answer a phone may go by."""

    def _read(self, body: bytes) -> Found | str:
        return read_answer(body, lambda url: url.startswith("https://mail.example/"))

    @pytest.mark.parametrize(
        "servers",
        [
            _server(),
            _server(name="Mail"),
            _server() + _server("https://pki.example/", "", "CertEnroll"),
            _server() + "<Server><Url>https://evil.example/</Url></Server>",
            _server() * 2,
        ],
    )
    def test_what_names_known_servers_is_taken(self, servers: str) -> None:
        """Another kind of server is passed over."""
        assert self._read(_answer(servers)) == Found("Ann", "a@x.example", "de:de")

    def test_what_is_missing_is_filled_in(self) -> None:
        """The name is not needed, nor the culture."""
        body = _answer(user=_address()).replace(b"<Culture>de:de</Culture>", b"")
        assert self._read(body) == Found("a@x.example", "a@x.example", "en:us")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "not XML"),
            (b"<Autodiscover/>", "no settings"),
            (b"<Autodiscover><Response/></Autodiscover>", "no settings"),
            (
                (
                    b"<Autodiscover><Response><Action><Redirect>b@y.example</Redirect></Action>"
                    b"</Response></Autodiscover>"
                ),
                "no settings",
            ),
            (write_error(INVALID_REQUEST, _AT), "no settings"),
            (_answer(""), "no ActiveSync server"),
            (_answer(_server("https://pki.example/", "", "CertEnroll")), "no ActiveSync server"),
            (_answer(_server("https://evil.example/")), "'https://evil.example/'"),
            (_answer(_server(name="https://evil.example/")), "'https://evil.example/'"),
            (_answer(_server() + _server("https://evil.example/")), "locations"),
            (_answer(user=""), "no address"),
            (_answer(user=_address("a b")), "no address"),
            (_answer().replace(b"User>", b"Other>"), "no address"),
        ],
    )
    def test_what_is_refused(self, body: bytes, words: str) -> None:
        """One word for each, for the log."""
        found = self._read(body)
        assert isinstance(found, str)
        assert words in found

    @given(st.binary())
    def test_any_bytes_are_read_or_refused(self, body: bytes) -> None:
        """Never an exception."""
        assert isinstance(self._read(body), str)
