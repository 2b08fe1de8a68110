"""The decision table: which facts cause which reason, and which reason comes first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.binding import Binding
from gateway.core.decision import (
    Allow,
    Decision,
    Deny,
    Facts,
    Reauthentication,
    Session,
    TokenValidFrom,
    decide,
    judge_user,
)
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import Reason
from gateway.core.revocation import RevocationState
from gateway.core.username_binding import DEFAULT_RULES
from tests.core.facts import ALICE, ALLOWED, BOB, DAY, GOOD, HOUR, NOW, certificate, facts, status

SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
NAMES = ALLOWED.binding.names


def reason_of(decision: Decision) -> Reason | None:
    """The reason of a denial; None of an Allow."""
    return decision.reason if isinstance(decision, Deny) else None


def judged(**changes: object) -> Reason | None:
    """The reason for which the phone is refused once `changes` are made to its facts."""
    return reason_of(decide(facts(**changes), NOW))


def also_in_handshake(reason: Reason) -> Callable[[Facts], Facts]:
    """TLS would refuse the chain for `reason`, too."""
    return lambda known: replace(known, handshake=(*known.handshake, Deny(reason, "seen by TLS")))


# In the order of the table, each with the facts that cause it and leave other causes in place.
CAUSES: tuple[tuple[Reason, Callable[[Facts], Facts]], ...] = (
    (
        Reason.UNTRUSTED_CHAIN,
        lambda known: replace(known, chain_denial=Deny(Reason.UNTRUSTED_CHAIN, "no root")),
    ),
    (Reason.OUTSIDE_VALIDITY, lambda known: replace(known, chain_not_after=NOW - SECOND)),
    (
        Reason.NOT_CLIENT_AUTH,
        lambda known: replace(
            known, certificate=replace(known.certificate, may_authenticate=False)
        ),
    ),
    (Reason.WEAK_KEY, also_in_handshake(Reason.WEAK_KEY)),
    (Reason.NO_USABLE_SAN, lambda known: replace(known, binding=Binding((), ()))),
    (Reason.AMBIGUOUS_SAN, lambda known: replace(known, binding=Binding(NAMES, (ALICE, BOB)))),
    (Reason.CERTIFICATE_BLOCKED, lambda known: replace(known, blocked=True)),
    (
        Reason.CERTIFICATE_REVOKED,
        lambda known: replace(
            known, revocation=(*known.revocation, status(RevocationState.REVOKED))
        ),
    ),
    (
        Reason.REVOCATION_UNKNOWN,
        lambda known: replace(
            known, revocation=(status(RevocationState.UNKNOWN), *known.revocation)
        ),
    ),
    (Reason.UNKNOWN_MAILBOX, lambda known: replace(known, binding=Binding(NAMES, ()))),
    (
        Reason.MAILBOX_DISABLED,
        lambda known: replace(known, binding=Binding(NAMES, (replace(ALICE, enabled=False),))),
    ),
    (
        Reason.BEFORE_TOKEN_VALID_FROM,
        lambda known: replace(
            known, token_valid_from=TokenValidFrom(NOW, 8), session=Session(NOW - HOUR, 7)
        ),
    ),
    (
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM,
        lambda known: replace(
            known, token_valid_from=TokenValidFrom(NOW, 8), session=Session(NOW + SECOND, 8)
        ),
    ),
    (Reason.USER_MISMATCH, lambda known: replace(known, user=BOB.upn)),
)
POSITIONS = pytest.mark.parametrize(
    "position", range(len(CAUSES)), ids=[reason.name for reason, _ in CAUSES]
)


class TestTable:
    """Reasons and their order."""

    def test_nothing_wrong_is_let_in(self) -> None:
        """The phone acts for the mailbox that its certificate names."""
        assert decide(ALLOWED, NOW) == Allow(ALICE, GOOD.next_update or NOW)

    @POSITIONS
    def test_cause(self, position: int) -> None:
        """Each cause alone refuses the phone for its reason."""
        reason, cause = CAUSES[position]
        assert reason_of(decide(cause(ALLOWED), NOW)) is reason

    @POSITIONS
    def test_earlier_reason_wins(self, position: int) -> None:
        """Whatever else is wrong, the first row of the table names the reason."""
        known = ALLOWED
        for _, cause in reversed(CAUSES[position:]):
            known = cause(known)
        assert reason_of(decide(known, NOW)) is CAUSES[position][0]

    def test_table_is_complete(self) -> None:
        """Every reason is caused here but those that no fact about the phone leads to."""
        elsewhere = {
            Reason.NO_CERTIFICATE,
            Reason.DEVICE_BLOCKED,
            Reason.DEVICE_QUARANTINED,
            Reason.DEVICE_LIMIT,
            Reason.DEVICE_OF_ANOTHER_MAILBOX,
            Reason.COMMAND_NOT_ALLOWED,
            Reason.PROTOCOL_VERSION_NOT_ALLOWED,
            Reason.AUTHORIZATION_NOT_ALLOWED,
            Reason.PATH_NOT_ALLOWED,
            Reason.STATE_UNAVAILABLE,
            Reason.UPSTREAM_UNAVAILABLE,
            Reason.OVERLOADED,
            Reason.TOO_MANY_REQUESTS,
        }
        assert {reason for reason, _ in CAUSES} | elsewhere == set(Reason)


class TestChain:
    """What TLS looks at first, and what comes true later on a living connection."""

    @pytest.mark.parametrize(
        ("begins", "ends", "reason"),
        [
            (NOW - DAY, NOW, None),
            (NOW, NOW + DAY, None),
            (NOW - DAY, NOW - SECOND, Reason.OUTSIDE_VALIDITY),
            (NOW + SECOND, NOW + DAY, Reason.OUTSIDE_VALIDITY),
        ],
    )
    def test_validity_of_the_device(
        self, begins: object, ends: object, reason: Reason | None
    ) -> None:
        """Both ends belong to the validity (RFC 5280 section 4.1.2.5)."""
        assert judged(certificate=certificate(not_before=begins, not_after=ends)) is reason

    def test_validity_of_the_cas(self) -> None:
        """The end of a CA belongs to its validity, the second after does not."""
        assert judged(chain_not_after=NOW) is None
        assert judged(chain_not_after=NOW - SECOND) is Reason.OUTSIDE_VALIDITY

    def test_a_ca_is_no_device(self) -> None:
        """The certificate of a CA is refused even where its key usage would do."""
        denial = decide(facts(certificate=certificate(is_authority=True)), NOW)
        assert reason_of(denial) is Reason.NOT_CLIENT_AUTH
        assert isinstance(denial, Deny)
        assert "of a CA" in denial.detail

    @pytest.mark.parametrize(
        "reason", [Reason.OUTSIDE_VALIDITY, Reason.NOT_CLIENT_AUTH, Reason.WEAK_KEY]
    )
    def test_what_tls_finds_is_named(self, reason: Reason) -> None:
        """A handshake's finding about a CA is the denial, with its own words."""
        known = also_in_handshake(reason)(ALLOWED)
        assert decide(known, NOW) == Deny(reason, "seen by TLS")


class TestRevocation:
    """Every certificate below the root counts."""

    def test_one_revoked_of_many(self) -> None:
        """A revoked CA refuses all that is below it, though the device itself is on no list."""
        assert judged(revocation=(GOOD, status(RevocationState.REVOKED))) is (
            Reason.CERTIFICATE_REVOKED
        )

    def test_revoked_comes_before_unknown(self) -> None:
        """What is known to be revoked stays so, whatever else is not known."""
        both = (status(RevocationState.UNKNOWN), status(RevocationState.REVOKED))
        assert judged(revocation=both) is Reason.CERTIFICATE_REVOKED

    def test_no_status_is_unknown(self) -> None:
        """Where nobody was asked nothing is known."""
        assert judged(revocation=()) is Reason.REVOCATION_UNKNOWN

    def test_detail_is_the_statuses(self) -> None:
        """The denial says what the CRL says."""
        revoked = status(RevocationState.REVOKED, detail="revoked for keyCompromise")
        denial = decide(facts(revocation=(revoked,)), NOW)
        assert denial == Deny(Reason.CERTIFICATE_REVOKED, "revoked for keyCompromise")


class TestSession:
    """Token-valid-from and sessions that were authenticated before it."""

    @pytest.mark.parametrize(
        ("authenticated", "reason"),
        [
            (NOW - TICK, Reason.BEFORE_TOKEN_VALID_FROM),
            (NOW, Reason.BEFORE_TOKEN_VALID_FROM),
            (NOW + TICK, None),
        ],
    )
    def test_tie_is_refused(self, authenticated: object, reason: Reason | None) -> None:
        """A session of the same moment is dead."""
        assert (
            judged(
                token_valid_from=TokenValidFrom(NOW, 7),
                session=Session(authenticated, 7),  # type: ignore[arg-type]  # a datetime
                reauthentication=Reauthentication.IMMEDIATE,
            )
            is reason
        )

    @pytest.mark.parametrize(
        ("change_id", "reason"),
        [(6, Reason.BEFORE_TOKEN_VALID_FROM), (7, None), (8, None)],
    )
    def test_change_counts_whatever_the_clock_says(
        self, change_id: int, reason: Reason | None
    ) -> None:
        """A session that did not know of the change is dead, though its clock ran ahead."""
        assert (
            judged(
                token_valid_from=TokenValidFrom(NOW, 7),
                session=Session(NOW + DAY, change_id),
                reauthentication=Reauthentication.IMMEDIATE,
            )
            is reason
        )


V = NOW - HOUR


class TestReadmission:
    """Signing in again after token-valid-from."""

    def readmitted(self, **changes: object) -> bool:
        """Whether a session that began after V is let in."""
        usual = {"token_valid_from": TokenValidFrom(V, 7), "session": Session(NOW, 7)}
        found = judged(**{**usual, **changes})
        assert found in {None, Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM}
        return found is None

    @pytest.mark.parametrize(
        ("effective", "accepted", "readmitted"),
        [
            (V + SECOND, V + SECOND, True),
            (V, V + SECOND, False),
            (V - SECOND, V + SECOND, False),
            (V + SECOND, V, False),
            (V + SECOND, V - SECOND, False),
            (None, V + SECOND, False),
            (V + SECOND, None, False),
        ],
    )
    def test_crl_has_to_be_newer(
        self, effective: object, accepted: object, *, readmitted: bool
    ) -> None:
        """Both its effective date and its arrival here lie after V: a tie is refused."""
        crl = status(this_update=effective, accepted_at=accepted)
        assert self.readmitted(revocation=(crl,)) is readmitted

    def test_backdated_crl(self) -> None:
        """A CA that backdates by ten minutes gets ten minutes, and not one more."""
        ten = timedelta(minutes=10)
        crl = status(this_update=V - ten + SECOND, accepted_at=NOW)
        assert self.readmitted(revocation=(crl,), backdating=ten)
        assert not self.readmitted(revocation=(crl,), backdating=ten - SECOND)

    def test_backdating_is_no_excuse_for_a_crl_that_was_here(self) -> None:
        """A CRL that was accepted before V says nothing of what happened since."""
        crl = status(this_update=V - SECOND, accepted_at=V - SECOND)
        assert not self.readmitted(revocation=(crl,), backdating=HOUR)

    @pytest.mark.parametrize(("issued", "readmitted"), [(V + SECOND, True), (V, False)])
    def test_new_certificate(self, issued: object, *, readmitted: bool) -> None:
        """A certificate that was issued after V needs no newer CRL; one of that moment does."""
        old_crl = status(this_update=V - HOUR, accepted_at=V - HOUR)
        new = certificate(not_before=issued)
        assert self.readmitted(revocation=(old_crl,), certificate=new) is readmitted

    def test_backdated_certificate(self) -> None:
        """Backdating counts for notBefore as it does for thisUpdate."""
        old_crl = status(this_update=V - HOUR, accepted_at=V - HOUR)
        new = certificate(not_before=V - SECOND)
        assert self.readmitted(
            revocation=(old_crl,), certificate=new, backdating=timedelta(seconds=2)
        )
        assert not self.readmitted(revocation=(old_crl,), certificate=new, backdating=SECOND)

    def test_immediate(self) -> None:
        """Entra's own behaviour: at once, if the CRL that is in force does not list it."""
        old_crl = status(this_update=V - HOUR, accepted_at=V - HOUR)
        immediate = Reauthentication.IMMEDIATE
        assert self.readmitted(revocation=(old_crl,), reauthentication=immediate)
        assert not self.readmitted(revocation=(old_crl,))

    def test_only_the_device_s_crl_counts(self) -> None:
        """A newer CRL of the root does not readmit a device of the issuing CA."""
        old, new = V - HOUR, V + SECOND
        device = status(this_update=old, accepted_at=old)
        authority = status(this_update=new, accepted_at=new)
        assert not self.readmitted(revocation=(device, authority))
        assert self.readmitted(revocation=(authority, device))

    def test_detail_names_both_times(self) -> None:
        """Whoever reads the log sees which CRL is waited for."""
        crl = status(this_update=V - HOUR, accepted_at=V - HOUR)
        after = {"token_valid_from": TokenValidFrom(V, 7), "session": Session(NOW, 7)}
        for one, effective in ((crl, V - HOUR), (replace(crl, this_update=None), None)):
            denial = decide(facts(revocation=(one,), **after), NOW)
            assert isinstance(denial, Deny)
            assert V.isoformat() in denial.detail
            assert ("none" if effective is None else effective.isoformat()) in denial.detail


class TestUser:
    """The User of a request."""

    def test_absent_is_no_mismatch(self) -> None:
        """A request that names nobody is the certificate's owner's."""
        assert judge_user(ALICE, None) is None
        assert judged(user=None) is None

    def test_own_names(self) -> None:
        """UPN and address are the mailbox."""
        assert judged(user="ALICE@example.test") is None
        assert judge_user(ALICE, "alice@mail.test") is None

    @pytest.mark.parametrize("user", ["bob@example.test", "", "\u202ealice@example.test"])
    def test_another(self, user: str) -> None:
        """Anything else is refused, and shown so that no terminal obeys it."""
        denial = judge_user(ALICE, user)
        assert denial is not None
        assert denial.reason is Reason.USER_MISMATCH
        assert denial.detail.isprintable()


class TestExpiry:
    """How long an Allow holds."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"certificate": certificate(not_after=NOW + SECOND)},
            {"chain_not_after": NOW + SECOND},
            {"revocation": (status(next_update=NOW + SECOND), GOOD)},
            {"revocation": (GOOD, status(next_update=NOW + SECOND))},
        ],
    )
    def test_is_the_first_end(self, changes: dict[str, object]) -> None:
        """Whichever ends first, of the chain or of the CRLs, ends the Allow."""
        decision = decide(facts(**changes), NOW)
        assert decision == Allow(ALICE, NOW + SECOND)

    def test_status_without_an_end(self) -> None:
        """A status that no CRL limits leaves the certificate's end."""
        decision = decide(facts(revocation=(status(next_update=None),)), NOW)
        assert decision == Allow(ALICE, ALLOWED.certificate.not_after)


def test_mailbox_of_the_allow_is_the_one_bound() -> None:
    """Whose mail it is comes from the binding and nowhere else."""
    bob = Mailbox("bob@example.test")
    decision = decide(facts(binding=Binding(NAMES, (bob,))), NOW)
    assert isinstance(decision, Allow)
    assert decision.mailbox is bob


def test_where_no_crl_is_consulted_a_new_certificate_alone_readmits() -> None:
    """An exempt CA has no CRL that could be newer than token-valid-from."""
    exempt = status(this_update=None, next_update=None, accepted_at=None)
    known = replace(
        ALLOWED,
        revocation=(exempt,),
        token_valid_from=TokenValidFrom(NOW, 8),
        session=Session(NOW + SECOND, 8),
    )
    refused = decide(known, NOW + HOUR)
    assert reason_of(refused) is Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM
    newer = replace(known.certificate, not_before=NOW + SECOND)
    allowed = decide(replace(known, certificate=newer), NOW + HOUR)
    assert allowed == Allow(ALICE, newer.not_after)


class TestWhatNamesNoMailbox:
    """The sentences of the check that is about names."""

    def test_no_value_says_what_was_tried(self) -> None:
        """Whoever reads the log sees which bindings the configuration has."""
        binding = Binding((), (), DEFAULT_RULES.in_use)
        assert decide(facts(binding=binding), NOW) == Deny(
            Reason.NO_USABLE_SAN,
            "the certificate has no SAN value or other field that a binding uses; tried: "
            "PrincipalName with userPrincipalName, RFC822Name with proxyAddresses",
        )

    def test_the_sid_of_another(self) -> None:
        """A name that was given again does not name its new owner; an ambiguity comes first."""
        binding = Binding(NAMES, (ALICE,), refusal="the SIDs differ")
        assert decide(facts(binding=binding), NOW) == Deny(Reason.NO_USABLE_SAN, "the SIDs differ")
        both = replace(binding, mailboxes=(ALICE, BOB))
        assert judged(binding=both) is Reason.AMBIGUOUS_SAN
