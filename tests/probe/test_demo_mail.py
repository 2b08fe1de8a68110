"""Mail handed to the demo mail server: readable or refused, never a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.wbxml import element, encode
from gateway.errors import RequestError, StateError
from gateway.probe.demo_mail import Outgoing, read_mime, send
from gateway.probe.demo_mailbox import INBOX, SENT, DemoMailboxes

HEADERS = st.sampled_from(
    [b"To: ", b"Cc: ", b"Bcc: ", b"Subject: ", b"Content-Type: ", b"Content-Transfer-Encoding: "]
)
WORDS = st.sampled_from(
    [
        *(b"<a@b.test>", b"group:;", b'"', b"(", b"=?utf-8?q?=FF?=", b"=?x?b?!?=", b"\xff", b"\0"),
        *(b"text/plain; charset=none", b"multipart/mixed; boundary=x", b"base64", b"@", b",", b"["),
        *(b"message/rfc822", b"\r\n\r\n", b"\r\n--x\r\n", b"quoted-printable", b"=zz", b"a@b.test"),
    ]
)
LINES = st.builds(lambda head, words: head + b" ".join(words), HEADERS, st.lists(WORDS, max_size=5))


class TestReadMime:
    """Messages of any kind."""

    def test_every_recipient_once(self) -> None:
        """To, Cc and Bcc count, names do not, and who is named twice is one recipient."""
        mime = b"To: A <a@x.test>, b@x.test\r\nCc: b@x.test\r\nBcc: c@x.test\r\nSubject: s\r\n\r\nt"
        assert read_mime(mime) == Outgoing(("a@x.test", "b@x.test", "c@x.test"), "s", "t")

    def test_message_without_text(self) -> None:
        """A message without plain text has an empty body."""
        mime = b"To: a@x.test\r\nContent-Type: text/html\r\n\r\n<p>x</p>"
        assert read_mime(mime) == Outgoing(("a@x.test",), "", "")

    def test_unknown_charset(self) -> None:
        """A text in a charset that nobody knows is refused."""
        with pytest.raises(RequestError):
            read_mime(b"To: a@x.test\r\nContent-Type: text/plain; charset=none-such\r\n\r\nx\xff")

    @given(st.lists(LINES, max_size=5).map(b"\r\n".join) | st.binary(max_size=200))
    def test_any_bytes(self, mime: bytes) -> None:
        """Any bytes are a message that WBXML can carry, or a RequestError."""
        try:
            outgoing = read_mime(mime)
        except RequestError:
            return
        encode(element("Email:Subject", outgoing.subject, outgoing.body))


class TestSend:
    """Where a message goes."""

    async def test_copy_only_if_asked_for(self) -> None:
        """Without the wish for a copy Sent Items stays as it is."""
        mailboxes = DemoMailboxes()
        alice = mailboxes.of("alice")
        outgoing = Outgoing(("bob",), "s", "b")
        send(outgoing, sender=alice, mailboxes=mailboxes, keep_copy=False)
        arrived = mailboxes.of("bob").messages(INBOX.server_id)
        assert arrived is not None
        assert arrived[-1].subject == "s"
        assert alice.messages(SENT.server_id) == ()

    async def test_mailboxes_are_limited(self) -> None:
        """Mail to ever new names does not fill the memory."""
        mailboxes = DemoMailboxes()
        for number in range(1000):
            mailboxes.of(f"user{number}")
        with pytest.raises(StateError, match="1000 mailboxes"):
            mailboxes.of("one more")

    async def test_devices_are_limited(self) -> None:
        """Ever new device ids do not fill the memory; one known before is still served."""
        mailbox = DemoMailboxes().of("alice")
        known = mailbox.partnership("PHONE")
        for number in range(99):
            mailbox.partnership(f"device{number}")
        with pytest.raises(StateError, match="100 devices"):
            mailbox.partnership("one more")
        assert mailbox.partnership("phone") is known
