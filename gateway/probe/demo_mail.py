"""Mail that a device hands to the demo mail server: read, and put where it belongs."""

import email
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from email.utils import getaddresses

from gateway.errors import RequestError
from gateway.probe.demo_mailbox import INBOX, SENT, DemoMailbox, DemoMailboxes, DemoMessage

_MAX_RECIPIENTS = 100


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What matters of a message to be sent; who sends it is the mailbox's business."""

    recipients: tuple[str, ...]
    subject: str
    body: str


def read_mime(mime: bytes) -> Outgoing:
    """The recipients, subject and plain text of a message (RFC 5322, RFC 2045).

    Raises:
        RequestError: The message cannot be read, or has too many recipients.
    """
    try:
        message = email.message_from_bytes(mime, EmailMessage, policy=default)
        lines = [str(line) for name in ("To", "Cc", "Bcc") for line in message.get_all(name, [])]
        addresses = dict.fromkeys(address for _, address in getaddresses(lines) if address)
        part = message.get_body(("plain",))
        body = part.get_content() if part is not None else ""
        subject = str(message.get("Subject", ""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # The parser of the standard library lets these out for headers that break the grammar.
        raise RequestError(f"the message cannot be read: {error!r}") from error
    if len(addresses) > _MAX_RECIPIENTS:
        raise RequestError(f"the message has more than {_MAX_RECIPIENTS} recipients")
    return Outgoing(tuple(addresses), _writable(subject), _writable(str(body)))


def send(
    outgoing: Outgoing, *, sender: DemoMailbox, mailboxes: DemoMailboxes, keep_copy: bool
) -> None:
    """Put the message into every recipient's inbox, and into the sender's Sent Items if asked to.

    Raises:
        StateError: A folder, or the server, is full.
    """
    message = DemoMessage(
        sender=sender.name,
        to=", ".join(outgoing.recipients),
        subject=outgoing.subject,
        body=outgoing.body,
        received=datetime.now(UTC),
    )
    for recipient in outgoing.recipients:
        mailboxes.of(recipient).put(INBOX, message)
    if keep_copy:
        sender.put(SENT, message)


def _writable(text: str) -> str:
    """`text` without what WBXML cannot carry."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
