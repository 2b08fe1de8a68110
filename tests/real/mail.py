"""Messages for the tests, and their delivery from outside."""

import smtplib
import uuid
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from tests.real.sogo.bed import HOST, Bed

SENDER = "carol@elsewhere.test"


def message(recipient: str, *, sender: str = SENDER) -> EmailMessage:
    """A message with a subject that no other one has."""
    made = EmailMessage()
    made["From"] = sender
    made["To"] = recipient
    made["Subject"] = f"subject {uuid.uuid4().hex}"
    made["Date"] = formatdate()
    made["Message-ID"] = make_msgid(domain=sender.partition("@")[2])
    made.set_content("The body.\n")
    return made


def deliver(bed: Bed, recipient: str) -> str:
    """Put a message into the recipient's inbox and give its subject."""
    made = message(recipient)
    with smtplib.SMTP(HOST, bed.smtp_port, local_hostname="localhost") as server:
        server.send_message(made)
    return str(made["Subject"])
