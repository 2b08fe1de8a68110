"""The header lines that say for whom the gateway asks."""

import base64
from pathlib import Path
from typing import Any

import pytest

from gateway.config_upstream import Upstream
from gateway.core.mailbox import Mailbox
from gateway.credentials.upstream_user import credentials, identity_headers
from gateway.errors import ConfigError, UpstreamError

ALICE = Mailbox("alice@example.test", primary_address="a@example.test", sam_account_name="alice")


def upstream(**settings: Any) -> Upstream:
    """An upstream whose other settings are the usual ones."""
    return Upstream(name="mail", url="http://127.0.0.1", **settings)


class TestHeader:
    """A mail server that trusts a header."""

    @pytest.mark.parametrize(
        ("user", "value"),
        [
            ("upn", b"alice@example.test"),
            ("primary_address", b"a@example.test"),
            ("sam_account_name", b"alice"),
        ],
    )
    def test_names_the_user_as_asked(self, user: str, value: bytes) -> None:
        """The value is the attribute that upstream.user names."""
        lines = credentials(upstream(user=user, header="X-User"))(ALICE)
        assert lines == b"X-User: " + value + b"\r\n"

    def test_a_missing_attribute_is_no_guess(self) -> None:
        """A mailbox without the attribute cannot be served."""
        with pytest.raises(UpstreamError, match="no sam_account_name"):
            credentials(upstream(user="sam_account_name"))(Mailbox("bob@example.test"))

    def test_a_line_break_cannot_become_a_header(self) -> None:
        """What cannot stand in a header is refused, wherever it came from."""
        with pytest.raises(UpstreamError, match="cannot stand in a header"):
            credentials(upstream())(Mailbox("a@example.test\r\nX-Admin: yes"))

    def test_the_header_is_the_gateways_alone(self) -> None:
        """Its name is what no client may send."""
        assert identity_headers(upstream(header="X-User")) == {b"X-User"}


class TestBasic:
    """A mail server with one password for every user."""

    def test_user_and_password(self, tmp_path: Path) -> None:
        """RFC 7617, without the line break that editors leave in the file."""
        path = tmp_path / "password"
        path.write_bytes(b"s\xc3\xa9cret\n")
        settings = upstream(credentials="basic", password_file=path)
        scheme = b"Authorization: Basic "
        line = credentials(settings)(ALICE)
        assert base64.b64decode(line.removeprefix(scheme)) == b"alice@example.test:s\xc3\xa9cret"
        assert identity_headers(settings) == {b"authorization"}

    def test_a_colon_in_the_user_is_refused(self, tmp_path: Path) -> None:
        """RFC 7617 section 2: the user ends with the first colon."""
        path = tmp_path / "password"
        path.write_bytes(b"secret")
        with pytest.raises(UpstreamError, match="colon"):
            credentials(upstream(credentials="basic", password_file=path))(Mailbox("a:b@c.test"))

    @pytest.mark.parametrize(("content", "said"), [(b"\n", "is empty"), (None, "password_file")])
    def test_an_unusable_file_is_named(
        self, tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        """The error names the key of the configuration."""
        path = tmp_path / "password"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=said):
            credentials(upstream(credentials="basic", password_file=path))
