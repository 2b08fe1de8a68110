"""From a verified chain to a decision, out of what a worker holds in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.decision import Allow, Deny, Reauthentication, Session, TokenValidFrom
from gateway.core.reasons import Reason
from gateway.core.username_binding import DEFAULT_RULES
from gateway.proxy.judge import Identity, Judge, Rules
from tests.proxy.bed import Bed


def _identify(plane: Bed) -> Identity:
    issuing, root = (
        ca.certificate.public_bytes(Encoding.DER) for ca in (plane.pki.issuing, plane.pki.root)
    )
    return plane.judge.identify((plane.pki.alice.der, issuing, root), datetime.now(UTC))


async def test_alice_is_let_in(plane: Bed) -> None:
    """Until the first of her certificates or CRLs runs out."""
    decision = plane.judge.decide(_identify(plane), datetime.now(UTC))
    assert isinstance(decision, Allow)
    assert decision.mailbox.upn == "alice@example.test"


async def test_connections_share_their_ca_certificates(plane: Bed) -> None:
    """One copy of each, however many phones it has issued."""
    first, second = _identify(plane), _identify(plane)
    assert all(a is b for a, b in zip(first.authorities, second.authorities, strict=True))


async def test_an_unreadable_ca_refuses(plane: Bed) -> None:
    """A CA certificate of the chain that cannot be read is no CA that can be trusted."""
    known = _identify(plane)
    odd = Identity(known.certificate, (b"odd", known.authorities[-1]), known.session)
    decision = plane.judge.decide(odd, datetime.now(UTC))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.UNTRUSTED_CHAIN


async def test_a_chain_without_a_ca_refuses(plane: Bed) -> None:
    """There is nobody who could vouch for the certificate."""
    alone = Identity(_identify(plane).certificate, (), _identify(plane).session)
    assert plane.judge.issuer_id(alone) == ""
    decision = plane.judge.decide(alone, datetime.now(UTC))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.UNTRUSTED_CHAIN


async def test_the_epoch_moves_with_every_change(plane: Bed) -> None:
    """An update and a suspension each make earlier verdicts doubtful; a second one does not."""
    before = plane.judge.epoch
    plane.judge.suspend()
    plane.judge.suspend()
    assert plane.judge.epoch == before + 1
    plane.changed()
    assert plane.judge.epoch == before + 2


async def test_what_is_remembered_ends_with_its_time(plane: Bed) -> None:
    """An earlier decision about the same certificate is not worth more than its CRLs are."""
    known, now = _identify(plane), datetime.now(UTC)
    first = plane.judge.decide(known, now)
    assert isinstance(first, Allow)
    assert plane.judge.decide(_identify(plane), now) is first
    late = plane.judge.decide(known, known.certificate.not_after + timedelta(seconds=1))
    assert isinstance(late, Deny)
    assert late.reason is Reason.OUTSIDE_VALIDITY


async def test_what_is_remembered_ends_with_a_change(plane: Bed) -> None:
    """A certificate that was let in a moment ago is not, once it is revoked."""
    known, now = _identify(plane), datetime.now(UTC)
    assert isinstance(plane.judge.decide(known, now), Allow)
    plane.crls.revoked.add(known.certificate.serial_number)
    plane.changed()
    denial = plane.judge.decide(_identify(plane), now)
    assert isinstance(denial, Deny)
    assert denial.reason is Reason.CERTIFICATE_REVOKED


async def test_sessions_of_a_revoked_user_are_told_apart(plane: Bed) -> None:
    """Where a token-valid-from is set, one session's decision is not the next one's."""
    moment = datetime.now(UTC)
    plane.directory.valid_from["alice@example.test"] = TokenValidFrom(moment, 1)
    rules = Rules(DEFAULT_RULES, Reauthentication.IMMEDIATE)
    judge = Judge(rules, plane.directory, plane.crls)
    old = replace(_identify(plane), session=Session(moment - timedelta(hours=1), 1))
    new = replace(old, session=Session(moment + timedelta(seconds=1), 1))
    later = moment + timedelta(seconds=2)
    assert isinstance(judge.decide(new, later), Allow)
    denial = judge.decide(old, later)
    assert isinstance(denial, Deny)
    assert denial.reason is Reason.BEFORE_TOKEN_VALID_FROM
