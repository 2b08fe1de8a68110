"""The states that the revocation of a certificate can have."""

from gateway.core.revocation import RevocationState, RevocationStatus


def test_states_are_those_of_the_standard() -> None:
    """Unrevoked, revoked and undetermined: nothing lies between."""
    assert [state.value for state in RevocationState] == ["good", "revoked", "unknown"]


def test_status_without_a_crl_has_no_times() -> None:
    """Where no CRL decided there is no moment that a rule could take for fresh."""
    status = RevocationStatus(RevocationState.UNKNOWN, "aa", 1, "no CRL")
    assert (status.this_update, status.next_update, status.accepted_at) == (None, None, None)
