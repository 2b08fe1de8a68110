"""SMTP on loopback that puts each message for a mailbox of the bed into its inbox, over IMAP.

SOGo sends through it, and the tests deliver through it. Mail for anybody else is refused.
"""

import asyncio
import contextlib
import imaplib
import re

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.real.sogo.bed import HOST, MAILBOXES, Bed


class Inboxes:
    """Handler of aiosmtpd; its method names are given by that library."""

    def __init__(self, imap_port: int) -> None:
        self._imap_port = imap_port

    async def handle_RCPT(  # noqa: N802 -- the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A recipient without a mailbox here is refused for good (RFC 5321 section 4.2.3)."""
        if address.lower() not in MAILBOXES:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address.lower())
        return "250 OK"

    async def handle_DATA(  # noqa: N802 -- likewise
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """The message lies in every recipient's inbox once this is answered."""
        content = bytes(envelope.content or b"")
        for mailbox in envelope.rcpt_tos:
            await asyncio.to_thread(append, self._imap_port, mailbox, content)
        return "250 OK"


def append(imap_port: int, mailbox: str, message: bytes) -> None:
    """Put an RFC 5322 message into the inbox; Dovecot takes any password here.

    Raises:
        RuntimeError: Dovecot did not take it.
    """
    canonical = re.sub(rb"\r?\n", b"\r\n", message)
    with imaplib.IMAP4(HOST, imap_port) as imap:
        imap.login(mailbox, "any")
        answer, detail = imap.append("INBOX", "", "", canonical)
    if answer != "OK":
        raise RuntimeError(f"Dovecot refused a message for {mailbox}: {detail!r}")


async def serve(bed: Bed) -> None:
    """Accept mail until the process is ended."""
    handler = Inboxes(bed.imap_port)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True), HOST, bed.smtp_port
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Bed.from_environment()))
