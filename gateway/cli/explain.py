"""`eas-gateway explain`: the decision about a certificate, check by check, without the gateway."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from cryptography import x509

from gateway.cli.chain import build, read_certificates
from gateway.cli.explain_output import (
    Explanation,
    as_dictionary,
    error_dictionary,
    print_explanation,
)
from gateway.cli.explain_request import Asked, RequestRules, judge_asked
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json
from gateway.config import Config, load
from gateway.core.decision import Allow, decide
from gateway.core.decision_trace import trace
from gateway.core.device import DeviceCertificate
from gateway.core.eas import COMMANDS
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError, GatewayError, StateError
from gateway.proxy.judge import Judge, Rules
from gateway.revocation.view import RevocationView
from gateway.store.snapshot import Snapshot
from gateway.store.store import open_store, store_exists


class Moment(click.ParamType[datetime]):
    """A time of ISO 8601; one without an offset is UTC."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time in UTC; a usage error if it is none."""
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time like 2026-03-01T12:00:00Z", param, ctx)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: may the holder of a certificate act for a mailbox at a time?

    Attributes:
        path: the certificate, PEM or DER; PEM may go on with what the device sends along.
        chain_path: more of what it sends along.
        user: the User that its requests name; None where they name none.
        at: the time of the sign-in and the request.
        asked: what its requests say besides; what they do not say is not judged.
    """

    path: Path
    chain_path: Path | None
    user: str | None
    at: datetime
    asked: Asked = field(default_factory=Asked)


@click.command("explain")
@click.argument("path", type=click.Path(path_type=Path), metavar="CERT")
@click.option(
    "--chain",
    "chain_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Intermediates that the device sends along, if CERT does not hold them; PEM or DER.",
)
@click.option("--user", metavar="NAME", help="The User that the device's requests name.")
@click.option("--device-id", metavar="ID", help="The DeviceId that the device's requests name.")
@click.option("--device-type", metavar="TYPE", help="Their DeviceType.")
@click.option("--user-agent", metavar="TEXT", help="Their User-Agent.")
@click.option(
    "--command",
    "command_name",
    type=click.Choice(sorted(COMMANDS), case_sensitive=False),
    metavar="NAME",
    help="Their command, such as Sync.",
)
@click.option(
    "--at",
    type=Moment(),
    help="The time of the sign-in; now unless given. The CRLs are those of now.",
)
@json_option
@config_option
def command(  # noqa: PLR0913 (one argument an option)
    *,
    path: Path,
    chain_path: Path | None,
    user: str | None,
    device_id: str | None,
    device_type: str | None,
    user_agent: str | None,
    command_name: str | None,
    at: datetime | None,
    as_json: bool,
    config_path: Path | None,
) -> int:
    """Say whether the certificate in CERT is let in, and show every check.

    The status is 0 if it is let in, 1 if it is refused and 2 if that cannot be found out. The
    gateway need not run; nothing is fetched: `ca refresh` does that.
    """
    asked = Asked(device_id, device_type, user_agent, command_name)
    question = Question(path, chain_path, user, at or datetime.now(UTC), asked)
    try:
        explanation = explain(load(config_path), question)
    except GatewayError as error:
        if as_json:
            print_json(error_dictionary(error))
        raise
    if as_json:
        print_json(as_dictionary(explanation))
    else:
        print_explanation(explanation)
    return 0 if isinstance(explanation.decision, Allow) else 1


def explain(config: Config, question: Question) -> Explanation:
    """The decision of a gateway with this configuration.

    Raises CertificateError if a file cannot be read, StateError if the store cannot.
    """
    leaf, *sent = read_certificates(question.path)
    if question.chain_path is not None:
        sent += read_certificates(question.chain_path)
    issuer, subject = _names(leaf, question.path)
    snapshot = _snapshot(config)
    judge = _judge(config, snapshot)
    try:
        chain = build(leaf, sent, tuple(snapshot.authorities.values()), question.at)
        identity = judge.identify(chain.certificates, question.at)
        facts = judge.facts(identity, question.at, user=question.user)
    except CertificateError as error:
        raise CertificateError(
            f"{question.path}: {error} (the gateway refuses such a certificate)"
        ) from error
    facts = replace(
        facts,
        chain_denial=chain.denial or facts.chain_denial,
        handshake=chain.handshake,
    )
    shown, issuer_id = facts.certificate, judge.issuer_id(identity)
    decision, further = judge_asked(
        question.asked,
        decide(facts, question.at),
        DeviceCertificate(issuer_id, shown.serial_number, shown.not_before),
        RequestRules(snapshot.devices, config.devices.policy, config.eas.caps),
    )
    steps = (*trace(facts, question.at), *further)
    named = any((step.check, step.result) == ("san", "pass") for step in steps)
    return Explanation(
        at=question.at,
        certificate=shown,
        issuer=issuer,
        subject=subject,
        issuer_id=issuer_id,
        decision=decision,
        mailbox=facts.binding.mailboxes[0] if named and facts.binding.mailboxes else None,
        steps=steps,
    )


def _judge(config: Config, snapshot: Snapshot) -> Judge:
    revocation = RevocationView.load(
        config.state.crl_directory,
        authorities=snapshot.authorities.values(),
        require_crl_validation=config.revocation.require_crl_validation,
    )
    rules = Rules(config.identity.rules, config.revocation.reauthentication)
    return Judge(rules, snapshot, revocation)


def _names(leaf: x509.Certificate, path: Path) -> tuple[str, str]:
    try:
        return leaf.issuer.rfc4514_string(), leaf.subject.rfc4514_string()
    except UNREADABLE as error:
        raise CertificateError(f"{path}: issuer or subject cannot be read: {error}") from error


def _snapshot(config: Config) -> Snapshot:
    directory = config.state.directory
    if not store_exists(directory, config.store):
        place = directory if config.store.url == "sqlite" else "the database of store.url"
        raise StateError(
            f"there is no store in {place}: name the gateway's configuration with -c, or "
            "begin one with `ca add`"
        )
    with open_store(directory, config.store) as store:
        return store.snapshot()
