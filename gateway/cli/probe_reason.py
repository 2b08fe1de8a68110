"""On the gateway's machine: why the gateway refused the probe, by its audit trail and its rules."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.check_upstream import check_upstream
from gateway.cli.explain import Question, explain
from gateway.cli.findings import State
from gateway.config import Config, load
from gateway.core.decision import Deny
from gateway.core.reasons import Reason
from gateway.errors import GatewayError, StateError
from gateway.probe.step import Problem, Report, Step
from gateway.probe.target import ProbeIdentity, Target
from gateway.probe.words import printable
from gateway.store.store import open_store, store_exists

_PATIENCE_SECONDS: Final = 5.0
_LOOK_EVERY_SECONDS: Final = 0.25
_LOOKED_THROUGH: Final = 1000
_BY_TLS: Final = ("sign-in", "tls")
_REFUSED_BY_TLS: Final = "refused the device's certificate"

_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        Reason.UNTRUSTED_CHAIN: "issue it from a CA of `eas-gateway ca list`, or `ca add` its CA",
        Reason.OUTSIDE_VALIDITY: "issue a new certificate",
        Reason.NOT_CLIENT_AUTH: "issue one with the extended key usage clientAuth",
        Reason.WEAK_KEY: "issue one with a longer key",
        Reason.NO_USABLE_SAN: "issue one with the owner's UPN or address in its SAN",
        Reason.AMBIGUOUS_SAN: "issue one with the names of one mailbox",
        Reason.CERTIFICATE_BLOCKED: "issue a new one, or `eas-gateway certificate unblock`",
        Reason.CERTIFICATE_REVOKED: "issue a new certificate",
        Reason.REVOCATION_UNKNOWN: "`eas-gateway ca refresh` fetches the CRLs and says what fails",
        Reason.UNKNOWN_MAILBOX: "`eas-gateway user add`, or issue one with the owner's UPN",
        Reason.MAILBOX_DISABLED: "`eas-gateway user set --enabled`",
        Reason.BEFORE_TOKEN_VALID_FROM: "sign in anew: the user's sessions were revoked",
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM: (
            "have the CA publish a CRL and `eas-gateway ca refresh`, or issue a new certificate"
        ),
        Reason.USER_MISMATCH: "write the UPN of the certificate's owner as the user name",
        Reason.UPSTREAM_UNAVAILABLE: "`eas-gateway check` tries the mail server",
    }
)


def with_reasons(report: Report, target: Target, config_path: Path) -> Report:
    """The report with the gateway's own reason before each refusal of the gateway's.

    Raises ConfigError if the configuration cannot be read. What cannot be found out is said in a
    problem of its own.
    """
    config = load(config_path)
    return replace(report, steps=tuple(_step(one, target, config) for one in report.steps))


def _step(step: Step, target: Target, config: Config) -> Step:
    reasons = [_reason(step, one, target, config) for one in step.result.problems]
    found = tuple(one for one in reasons if one is not None)
    if not found:
        return step
    result = replace(step.result, problems=(*found, *step.result.problems))
    return replace(step, result=result)


def _reason(step: Step, problem: Problem, target: Target, config: Config) -> Problem | None:
    try:
        if problem.reference is not None:
            return _recorded(problem, config)
        if step.name in _BY_TLS and _REFUSED_BY_TLS in problem.cause and target.identity:
            return _decided(target.identity, target.user, config)
    except GatewayError as error:
        cause = f"the gateway's reason cannot be found out: {printable(str(error))}"
        return Problem(cause, "name the configuration of this very gateway with -c", fatal=False)
    return None


def _recorded(problem: Problem, config: Config) -> Problem:
    """By the audit trail, into which records come with a delay."""
    if not store_exists(config.state.directory, config.store):
        raise StateError("the configuration's store is not there")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (record := _find(problem.reference, config)) is None:
        if time.monotonic() > deadline:
            raise StateError(f"the audit trail has no record of {problem.reference}")
        time.sleep(_LOOK_EVERY_SECONDS)
    return _named(str(record.get("reason")), str(record.get("detail")), config, problem)


def _find(reference: str | None, config: Config) -> Mapping[str, object] | None:
    with open_store(config.state.directory, config.store) as store:
        records = store.audit.list(limit=_LOOKED_THROUGH)
    return next((one.record for one in records if one.record.get("reference") == reference), None)


def _decided(identity: ProbeIdentity, user: str | None, config: Config) -> Problem | None:
    """By the gateway's own rules, as `explain` gives them: TLS tells no reference."""
    with tempfile.TemporaryDirectory(prefix="probe-") as directory:
        path = Path(directory, "certificate.pem")
        certificates = (identity.certificate, *identity.chain)
        path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
        try:
            decision = explain(config, Question(path, None, user, datetime.now(UTC))).decision
        except GatewayError as error:
            raise type(error)(str(error).replace(f"{path}: ", "")) from error
    if isinstance(decision, Deny):
        return _named(decision.reason, decision.detail, config, None)
    return None


def _named(reason: str, detail: str, config: Config, problem: Problem | None) -> Problem:
    advice = _ADVICE.get(reason, "`eas-gateway explain` shows each check")
    if reason == Reason.UPSTREAM_UNAVAILABLE:
        advice = _upstream(config) or advice
    cause = f"the gateway's reason is {reason}: {printable(detail, 400)}"
    reference = None if problem is None else problem.reference
    fatal = problem is None or problem.fatal
    return Problem(cause, advice, fatal=fatal, reference=reference)


def _upstream(config: Config) -> str | None:
    """What is wrong with the mail server now, as `check` finds it."""
    found = [one for upstream in config.upstream for one in check_upstream(upstream)]
    bad = [one for one in found if one.state is not State.OK]
    return f"mend the mail server: {printable(bad[0].detail, 300)}" if bad else None
