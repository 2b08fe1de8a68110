"""Where a URL leads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.location import origin, own_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://mail.example.com/Microsoft-Server-ActiveSync", "https://mail.example.com:443"),
        ("HTTPS://Mail.Example.COM.", "https://mail.example.com:443"),
        ("https://mail.example.com:443?x", "https://mail.example.com:443"),
        ("http://10.0.0.1", "http://10.0.0.1:80"),
        ("http://10.0.0.1:8080/", "http://10.0.0.1:8080"),
        ("https://[0:0::1]:444/x", "https://[::1]:444"),
    ],
)
def test_the_same_place_has_one_origin(url: str, expected: str) -> None:
    """Letter case, a default port, the last dot, the path and the query make no difference."""
    assert origin(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.com",
        "//mail.example.com",
        "/Microsoft-Server-ActiveSync",
        "ftp://mail.example.com",
        "https://",
        "https:///path",
        "https://mail.example.com#x",
        "https://mail.example.com/#x",
        "https://known@evil.example",
        "https://known:x@evil.example/",
        "https://evil.example\\@known/",
        "https://evil.example/\\",
        "https://known.example%2eevil",
        "https://known.example /",
        " https://known.example",
        "https://known.example\n",
        "https://known.example\t/",
        "https://known.example:",
        "https://known.example:0",
        "https://known.example:65536",
        "https://known.example:443443",
        "https://known..example",
        "https://[::g]",
        "https://[::1",
        "https://::1",
        "https://münchen.example",
        "https://known.example/ü",
        "https://known.example/" + "x" * 2048,
    ],
)
def test_what_is_no_one_place_has_none(url: str) -> None:
    """Two programs could read it as two places, or it is no URL of a mail server."""
    assert origin(url) is None


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never an exception."""
    origin(text)
    origin("https://" + text)


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?(?:\.[a-z0-9]{1,5}){0,3}", fullmatch=True),
    st.integers(1, 65535),
)
def test_an_origin_is_its_own(scheme: str, host: str, port: int) -> None:
    """Reading an origin again gives the same one."""
    found = origin(f"{scheme}://{host}:{port}/x")
    assert found == f"{scheme}://{host}:{port}"
    assert origin(found) == found


@pytest.mark.parametrize(
    ("public_url", "host", "expected"),
    [
        ("https://eas.example", b"other.example", "https://eas.example"),
        ("https://eas.example", None, "https://eas.example"),
        ("", b"eas.example:8443", "https://eas.example:8443"),
        ("", None, None),
        ("", b"eas.example/evil?", None),
        ("", b"user@eas.example", None),
        ("", b"\xff", None),
    ],
)
def test_the_gateways_own_url(public_url: str, host: bytes | None, expected: str | None) -> None:
    """That of the configuration, or what the phone asked for, if it can be one."""
    assert own_url(public_url, host) == expected
