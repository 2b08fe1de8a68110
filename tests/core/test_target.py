"""Request targets and Host fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.target import MAX_TARGET_BYTES, Target, host_name, is_activesync, parse_target
from gateway.errors import RequestError

EAS = b"/Microsoft-Server-ActiveSync"
NO_NAME = "no host name"

target_parts = st.lists(
    st.sampled_from(
        [
            "/",
            "//",
            ".",
            "..",
            "%2e",
            "%2F",
            "%41",
            "%",
            "a",
            "?",
            "#",
            ";",
            "\\",
            "@",
            "http:",
            "\x01",
        ]
    ),
    max_size=8,
)


class TestParseTarget:
    """Path and query of a request target."""

    def test_origin_form(self) -> None:
        """The first question mark parts path and query; the query stays raw."""
        assert parse_target(EAS + b"?a=%2e?;\\", b"mail.test") == Target(EAS.decode(), b"a=%2e?;\\")
        assert parse_target(b"/", None) == Target("/", b"")

    @pytest.mark.parametrize(
        ("target", "host"),
        [
            (b"https://mail.test", b"mail.test"),
            (b"HTTPS://Mail.Test:443", b"mail.test."),
            (b"http://mail.test:80", b"MAIL.test"),
            (b"https://mail.test:8443", b"mail.test:8443"),
            (b"https://[::1]", b"[0:0:0:0:0:0:0:1]:443"),
            (b"https://mail.test", None),
        ],
    )
    def test_absolute_form(self, target: bytes, host: bytes | None) -> None:
        """An http or https URL is its path and query, if Host names the same server."""
        assert parse_target(target + EAS + b"?q", host) == Target(EAS.decode(), b"q")
        assert parse_target(target + b"?q", host) == Target("/", b"q")
        assert parse_target(target, host) == Target("/", b"")

    @pytest.mark.parametrize(
        ("target", "host"),
        [
            (b"https://other.test/", b"mail.test"),
            (b"https://mail.test:8443/", b"mail.test"),
            (b"http://mail.test/", b"mail.test:443"),
        ],
    )
    def test_absolute_form_of_another_host(self, target: bytes, host: bytes) -> None:
        """Target and Host may not name two servers or two ports."""
        with pytest.raises(RequestError, match="not that of the Host field"):
            parse_target(target, host)

    def test_path_is_decoded_once(self) -> None:
        """Escapes of plain path characters are taken off; what is left needs none."""
        assert parse_target(b"/%4Dail/a%40b.test", None).path == "/Mail/a@b.test"

    @pytest.mark.parametrize(
        "target",
        [
            b"",
            b"*",
            b"mail.test:443",
            b"ftp://mail.test/",
            b"https:///path",
            b"https://user@mail.test/",
            b"https://mail.test\\@evil.test/",
            b"https://mail.test%2f/",
            b"https://mail.test#a",
            b"https://mail.test/\n",
            EAS + b"#a",
            EAS + b"/..",
            EAS + b"/../admin",
            b"/a..b",
            b"/.",
            b"/./a",
            b"//mail.test/",
            b"/a//b",
            EAS + b"//",
            EAS + b";a=b",
            b"/a\\b",
            b"/%2e%2e/a",
            b"/%2E",
            b"/a%2fb",
            b"/a%5cb",
            b"/a%3bb",
            b"/a%3fb",
            b"/a%00",
            b"/a%0a",
            b"/%252e",
            b"/a%",
            b"/a%4",
            b"/a%zz",
            b"/a b",
            b"/a\x00",
            b"/a?\x00",
            b"/a?\x7f",
            b"/a\xff",
            b"/a?\xff",
            b'/a"b',
            b"/%c3%bc",
            b"/" + b"a" * MAX_TARGET_BYTES,
        ],
    )
    def test_refused(self, target: bytes) -> None:
        """Whatever has no path, or could be read as two, is refused."""
        with pytest.raises(RequestError):
            parse_target(target, b"mail.test")

    @given(st.one_of(st.binary(max_size=40), target_parts.map(lambda p: "".join(p).encode())))
    def test_any_target(self, target: bytes) -> None:
        """Any bytes give a path that reads as itself, or one named error."""
        try:
            parsed = parse_target(target, None)
        except RequestError:
            return
        assert parse_target(parsed.path.encode(), None) == Target(parsed.path)
        assert not set("%;\\?# ") & set(parsed.path)
        assert ".." not in parsed.path
        assert "//" not in parsed.path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/Microsoft-Server-ActiveSync", True),
        ("/microsoft-server-activesync/", True),
        ("/MICROSOFT-SERVER-ACTIVESYNC", True),
        ("/Microsoft-Server-ActiveSync/default.eas", False),
        ("/Microsoft-Server-ActiveSync//", False),
        ("/Microsoft-Server-Active\u017fync", False),
        ("/", False),
    ],
)
def test_is_activesync(path: str, *, expected: bool) -> None:
    """The ActiveSync path is one path, in any ASCII case, with or without a last slash."""
    assert is_activesync(path) is expected


class TestHostName:
    """The host that a Host field names."""

    @pytest.mark.parametrize(
        ("host", "name"),
        [
            (b"Mail.Example.TEST", "mail.example.test"),
            (b"mail.example.test.", "mail.example.test"),
            (b"mail.example.test:65535", "mail.example.test"),
            (b"192.0.2.1:443", "192.0.2.1"),
            (b"[2001:DB8:0:0::1]:8443", "2001:db8::1"),
            (b"xn--bcher-kva_1", "xn--bcher-kva_1"),
        ],
    )
    def test_normalised(self, host: bytes, name: str) -> None:
        """Case, port, brackets and last dot are taken off."""
        assert host_name(host) == name

    @pytest.mark.parametrize(
        "host",
        [
            b"",
            b".",
            b"a..b",
            b"-a",
            b"a-",
            b"a" * 64,
            b"a." * 127 + b"a",
            b"mail.test:",
            b"mail.test:0",
            b"mail.test:65536",
            b"mail.test:+1",
            b"mail.test:443:443",
            b"mail.test, evil.test",
            b"mail.test/a",
            b"user@mail.test",
            b"mail%2etest",
            b"m\xc3\xa4il.test",
            b" mail.test",
            b"mail.test\n",
            b"2001:db8::1",
            b"[2001:db8::g]",
            b"[2001:db8:::1]",
            b"[fe80::1%eth0]",
            b"[mail.test]",
            b"[::1",
        ],
    )
    def test_refused(self, host: bytes) -> None:
        """What is no host with an optional port is refused."""
        with pytest.raises(RequestError, match="Host field"):
            host_name(host)

    @given(st.one_of(st.binary(max_size=30), st.text("aA.-_:[]01", max_size=30).map(str.encode)))
    def test_any_host(self, host: bytes) -> None:
        """Any bytes give a name that is its own normal form, or one named error."""
        try:
            name = host_name(host)
        except RequestError:
            return
        assert host_name(f"[{name}]".encode() if ":" in name else name.encode()) == name
