"""How `explain` shows a decision: JSON for programs, lines for people."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType

import click

from gateway.cli.serial_number import serial_text
from gateway.cli.tables import iso
from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Allow, Decision, Deny
from gateway.core.decision_trace import Step
from gateway.core.mailbox import Mailbox
from gateway.core.names import SanName
from gateway.core.reasons import Reason
from gateway.errors import GatewayError

_HINTS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.UNTRUSTED_CHAIN: "`ca list` shows the CAs that are trusted, `ca add` adds one.",
        Reason.CERTIFICATE_BLOCKED: "`certificate unblock` lets it in again.",
        Reason.REVOCATION_UNKNOWN: "`ca refresh` fetches the CRLs now and says what is wrong.",
        Reason.UNKNOWN_MAILBOX: "`user add` or `user import` makes the mailbox known.",
        Reason.MAILBOX_DISABLED: "`user set --enabled` enables it.",
        Reason.COMMAND_NOT_ALLOWED: "`eas.allowed_commands` has what is let through.",
        Reason.DEVICE_BLOCKED: "`device allow` lets this device in, `device rule list` has rules.",
        Reason.DEVICE_QUARANTINED: "`device allow` lets this device in.",
        Reason.DEVICE_LIMIT: "`device list --mailbox UPN` shows them, `device forget` makes room.",
        Reason.DEVICE_OF_ANOTHER_MAILBOX: "`device allow --mailbox UPN` lets it in.",
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM: (
            "Have the CA publish a CRL and fetch it with `ca refresh`, or issue a new certificate."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision at a time and each check that led to it.

    Attributes:
        at: the time of the sign-in and the request.
        certificate: the device's.
        issuer, subject: its names as RFC 4514 text.
        issuer_id: the record of the CA that issued it; empty if there is none.
        decision: what the gateway would decide.
        mailbox: that the certificate names, once chain and names have been found right.
        steps: every check, in order.
    """

    at: datetime
    certificate: ClientCertificate
    issuer: str
    subject: str
    issuer_id: str
    decision: Decision
    mailbox: Mailbox | None
    steps: tuple[Step, ...]


def as_dictionary(explanation: Explanation) -> dict[str, object]:
    """The explanation as `print_json` takes it."""
    decision, certificate = explanation.decision, explanation.certificate
    denial = decision if isinstance(decision, Deny) else None
    return {
        "decision": "allow" if denial is None else "deny",
        "reason": denial and denial.reason.value,
        "detail": denial and denial.detail,
        "hint": denial and _HINTS.get(denial.reason),
        "mailbox": explanation.mailbox and explanation.mailbox.upn,
        "at": explanation.at,
        "expiresAt": decision.expires_at if isinstance(decision, Allow) else None,
        "certificate": {
            "serialNumber": f"{certificate.serial_number:#x}",
            "issuerId": explanation.issuer_id or None,
            "subject": explanation.subject,
            "issuer": explanation.issuer,
            "notBefore": certificate.not_before,
            "notAfter": certificate.not_after,
            "principalNames": [name.value for name in certificate.principal_names],
            "rfc822Names": [name.value for name in certificate.rfc822_names],
            "fingerprint": certificate.fingerprint.hex(),
        },
        "steps": [asdict(step) for step in explanation.steps],
    }


def error_dictionary(error: GatewayError) -> dict[str, object]:
    """That there is no decision, and why, in the keys of `as_dictionary`."""
    return {
        "decision": "error",
        "reason": None,
        "detail": str(error),
        "mailbox": None,
        "steps": [],
    }


def print_explanation(explanation: Explanation) -> None:
    """The explanation for people: the certificate, every check, the decision and what to do."""
    for line in _lines(explanation):
        click.echo(line)


def _lines(explanation: Explanation) -> Iterator[str]:
    certificate = explanation.certificate
    names: list[SanName] = [*certificate.principal_names, *certificate.rfc822_names]
    about = {
        "certificate": explanation.subject,
        "serial": serial_text(certificate.serial_number),
        "issuer": explanation.issuer,
        "valid": f"{iso(certificate.not_before)} to {iso(certificate.not_after)}",
        "names": ", ".join(name.text for name in names) or "none",
        "at": iso(explanation.at),
    }
    yield from (f"{key:<13}{_printable(value)}" for key, value in about.items())
    yield ""
    for step in explanation.steps:
        yield f"{step.result:<13}{step.check:<18}{_printable(step.detail)}".rstrip()
    yield ""
    decision = explanation.decision
    if isinstance(decision, Allow):
        yield f"allow        {decision.mailbox.upn}, until {iso(decision.expires_at)}"
        return
    yield f"deny         {decision.reason}: {_printable(decision.detail)}"
    if decision.reason in _HINTS:
        yield f"             {_HINTS[decision.reason]}"


def _printable(text: str) -> str:
    """`text` for a terminal: a certificate from anywhere must not send it commands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
