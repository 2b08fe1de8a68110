"""Names in certificates and directories: what they are made of and when two of them are equal.

Decides equality of addresses; is not told which mailbox they belong to.
"""

from dataclasses import dataclass

from gateway.errors import CertificateError

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_LIMIT = 1024  # Entra's limit for one certificateUserIds value, in characters


def fold(text: str) -> str:
    """`text` with A-Z lowered and every other character as it was.

    Directories compare UPNs and addresses without regard to case. Only ASCII is folded: wider
    folding makes one name of two (KELVIN SIGN becomes k), and two mailboxes must never become one.
    """
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


@dataclass(frozen=True, slots=True)
class PrincipalName:
    """A UPN: SAN OtherName 1.3.6.1.4.1.311.20.2.3 (MS-WCCE), as written in the certificate."""

    value: str

    def __post_init__(self) -> None:
        _refuse_odd_characters(self.value, "principal name")

    @property
    def text(self) -> str:
        """The name and what it is, for people."""
        return f"UPN {self.value}"


@dataclass(frozen=True, slots=True)
class Rfc822Name:
    """An e-mail address: SAN rfc822Name (RFC 5280 section 4.2.1.6), as written there."""

    value: str

    def __post_init__(self) -> None:
        _refuse_odd_characters(self.value, "RFC822 name")

    @property
    def text(self) -> str:
        """The name and what it is, for people."""
        return f"RFC822 name {self.value}"


SanName = PrincipalName | Rfc822Name


def _refuse_odd_characters(value: str, kind: str) -> None:
    if not value or len(value) > _LIMIT:
        raise CertificateError(
            f"the SAN {kind} has {len(value)} characters; 1 to {_LIMIT} are read"
        )
    if not value.isprintable():
        raise CertificateError(
            f"the SAN {kind} {value!r} has a control character or one that cannot be seen"
        )
    if value != value.strip():
        raise CertificateError(f"the SAN {kind} {value!r} begins or ends with white space")
