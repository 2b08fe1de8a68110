"""One record for each denial and each newly made verdict: who, what, why, and never a secret."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

LONGEST_FIELD: Final = 256
"""No field is longer, in characters; an address has at most 254 (RFC 5321 section 4.5.3.1.3)."""

_REFERENCE_BYTES = 7
_REFERENCE_LENGTH = 10


def new_reference() -> str:
    """A fresh random id that ties a client's answer to its record: 10 letters and digits."""
    return base64.b32encode(os.urandom(_REFERENCE_BYTES)).decode()[:_REFERENCE_LENGTH]


# Not frozen: one is made for each decision, and a frozen one takes three times as long to make.
@dataclass(slots=True, kw_only=True)
class AuditRecord:
    """What was decided about one session or request.

    Every text is cut to `LONGEST_FIELD` characters, and is valid Unicode without control
    characters, whatever a client sent. A field that is not known is empty.

    Attributes:
        at: when it was decided; an aware datetime, kept in UTC.
        reference: the id that the client was given.
        decision: allow or deny.
        reason: the name of the `Reason`; empty for an allow.
        detail: one sentence for the administrator.
        mailbox: the UPN of the mailbox that the certificate named.
        serial: the certificate's serial number, hexadecimal.
        issuer_key_id: the authority key identifier of the certificate, hexadecimal.
        device_id: DeviceId of the request (MS-ASHTTP section 2.2.1.1.1.2.2).
        command: Cmd of the request.
        client_address: where the connection came from.
        worker: the number of the worker that decided.
    """

    at: datetime
    reference: str
    decision: Literal["allow", "deny"]
    reason: str = ""
    detail: str = ""
    mailbox: str = ""
    serial: str = ""
    issuer_key_id: str = ""
    device_id: str = ""
    command: str = ""
    client_address: str = ""
    worker: int = 0

    def __post_init__(self) -> None:
        if self.at.tzinfo is not UTC:
            self.at = self.at.astimezone(UTC)
        texts = [getattr(self, name) for name in _TEXTS]
        # Nearly all records are short and plain, which one look at all their texts tells.
        if _is_plain("".join(texts)):
            return
        for name, text in zip(_TEXTS, texts, strict=True):
            setattr(self, name, bounded(text))

    def to_json(self) -> dict[str, Any]:
        """The record as JSON has it, `at` as ISO 8601."""
        return {
            "at": self.at.isoformat(),
            "reference": self.reference,
            "decision": self.decision,
            "reason": self.reason,
            "detail": self.detail,
            "mailbox": self.mailbox,
            "serial": self.serial,
            "issuer_key_id": self.issuer_key_id,
            "device_id": self.device_id,
            "command": self.command,
            "client_address": self.client_address,
            "worker": self.worker,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_json` described; other keys are passed over.

        Raises ValueError if `values` is no such record.
        """
        try:
            texts = {name: str(values[name]) for name in _TEXTS}
            decision: Literal["allow", "deny"] = (
                "allow" if values["decision"] == "allow" else "deny"
            )
            return cls(
                at=datetime.fromisoformat(values["at"]),
                decision=decision,
                worker=int(values["worker"]),
                **texts,
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"not an audit record: {error!r}") from error


def bounded(text: str) -> str:
    """`text` cut to `LONGEST_FIELD`, without what a log or a terminal would choke on."""
    cut = text[:LONGEST_FIELD]
    if _is_plain(cut):
        return cut
    whole = cut.encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "?" for character in whole)


def _is_plain(text: str) -> bool:
    return len(text) <= LONGEST_FIELD and text.isascii() and text.isprintable()


_TEXTS: Final = tuple(
    f.name for f in fields(AuditRecord) if f.name not in {"at", "decision", "worker"}
)
