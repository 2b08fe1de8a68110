"""From a verified chain to a decision, out of what a worker holds in memory."""

from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.decision import Allow, Deny
from gateway.core.reasons import Reason
from gateway.proxy.judge import Identity
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
