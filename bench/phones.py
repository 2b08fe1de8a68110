"""Certificates for thousands of phones, made fast: each its own, and one key for all of them."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.authority import CertificateAuthority
from gateway.pki.identity import ec_key, key_pem


@dataclass(frozen=True)
class Phones:
    """Phone number n has the n-th mailbox and serial number.

    Attributes:
        file: a line for each: its mailbox, and its certificate as DER in base64.
        key: the private key, PEM.
        csv: the mailboxes, for `user import`.
    """

    file: Path
    key: Path
    csv: Path
    mailboxes: Sequence[str]
    serial_numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.mailboxes)


def issue_phones(folder: Path, issuing: CertificateAuthority, mailboxes: Sequence[str]) -> Phones:
    """A phone for each of `mailboxes`, in the new `folder`; a mailbox may have several."""
    folder.mkdir()
    key = ec_key()
    lines, serial_numbers = [], []
    for mailbox in mailboxes:
        certificate = issuing.issue_device(upn=mailbox, email=mailbox, key=key).certificate
        der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        lines.append(f"{mailbox} {der}")
        serial_numbers.append(certificate.serial_number)
    made = Phones(
        folder / "phones",
        folder / "phones.key",
        folder / "mailboxes.csv",
        mailboxes,
        serial_numbers,
    )
    made.file.write_text("\n".join(lines) + "\n", encoding="ascii")
    made.key.write_bytes(key_pem(key))
    rows = [f"{one},{one}" for one in dict.fromkeys(mailboxes)]
    made.csv.write_text("\n".join(["upn,mail", *rows]) + "\n", encoding="ascii")
    return made
