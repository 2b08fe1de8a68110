"""When refusals begin, and what comes near a limit."""

from datetime import UTC, datetime, timedelta

from gateway.config import Revocation
from gateway.core.crl import AcceptedCrl, CrlFacts, CrlKind
from gateway.core.crl_scope import COMPLETE, CrlContents, CrlScope
from gateway.revocation.fetch import Validators
from gateway.revocation.report import AuthorityReport, SourceReport, near_limits
from gateway.revocation.state import SourceState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = Revocation(download_limit_bytes=10_000, download_timeout_seconds=10)


def accepted(hours: float, size: int = 100, scope: CrlScope = COMPLETE) -> AcceptedCrl:
    """A CRL that is in force for that long."""
    end = NOW + timedelta(hours=hours)
    return AcceptedCrl(CrlFacts("ab", 1, None, NOW, end, None, b"", size, scope), NOW)


def source(crl: AcceptedCrl | None, *, required: bool = True, name: str = "base") -> SourceReport:
    """The report of one source with that CRL in force."""
    return SourceReport(
        name=name,
        kind=CrlKind.BASE,
        url="http://x/",
        required=required,
        last_fetch=None,
        accepted=crl,
        entries=0,
    )


def state(size: int, seconds: float | None) -> SourceState:
    """A download of that size that took that long."""
    crl = accepted(1, size)
    return SourceState(
        "http://x/",
        NOW,
        True,
        False,
        "",
        Validators(),
        crl,
        seconds,
    )


def test_refusals_begin_with_the_first_required_crl_that_expires() -> None:
    """One that is not required does not count; one that is missing has begun them already."""
    both = (source(accepted(5)), source(accepted(2)))
    assert AuthorityReport("ab", both).refused_from == NOW + timedelta(hours=2)
    waived = (source(accepted(5)), source(accepted(2), required=False))
    assert AuthorityReport("ab", waived).refused_from == NOW + timedelta(hours=5)
    assert AuthorityReport("ab", (source(accepted(5)), source(None))).refused_from is None
    assert AuthorityReport("ab", both, exempt=True).refused_from is None
    assert AuthorityReport("ab", ()).refused_from is None


def test_refusals_wait_for_the_last_crl_that_answers_for_all() -> None:
    """A further source may stand in for the record's own CRL, and need not be there beside it."""
    for own, more, hours in ((5, 2, 5), (2, 5, 5), (None, 5, 5), (5, None, 5)):
        sources = (
            source(accepted(own) if own else None),
            source(accepted(more) if more else None, name="source-1"),
        )
        assert AuthorityReport("ab", sources).refused_from == NOW + timedelta(hours=hours)


def test_refusals_begin_with_the_first_part_of_a_split_crl_that_is_missing() -> None:
    """Each part answers for some of the certificates alone."""
    part = CrlScope(contents=CrlContents.USERS)
    both = (source(accepted(5, scope=part)), source(accepted(2, scope=part), name="source-1"))
    assert AuthorityReport("ab", both).refused_from == NOW + timedelta(hours=2)
    lost = (source(accepted(5, scope=part)), source(None, name="source-1"))
    assert AuthorityReport("ab", lost).refused_from is None


def test_a_download_is_near_a_limit_from_four_fifths_on() -> None:
    """Of its size and of its time, each with the key to change."""
    assert near_limits(None, SETTINGS) == ()
    assert near_limits(state(7_999, 7.9), SETTINGS) == ()
    assert near_limits(state(100, None), SETTINGS) == ()
    (size,) = near_limits(state(8_000, 1), SETTINGS)
    assert size == (
        "http://x/: has 8000 octets; above 10000 it is refused (revocation.download_limit_bytes)"
    )
    (seconds,) = near_limits(state(100, 8.04), SETTINGS)
    assert seconds == (
        "http://x/: took 8.0 s to come; after 10 s it is refused "
        "(revocation.download_timeout_seconds)"
    )
