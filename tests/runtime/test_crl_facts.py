"""The metrics know of a CRL as soon as it was fetched."""

from pathlib import Path

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.revocation.engine import RevocationEngine
from gateway.runtime.crl_facts import CrlWatch


async def test_facts_follow_a_refresh(tmp_path: Path, root: Authority) -> None:
    """Before the fetch there are no values, after it those of the CRL."""
    engine = RevocationEngine(tmp_path / "crl", Revocation())
    watch = CrlWatch(engine, lambda: [root])
    await watch.look()
    [before] = watch.facts
    await engine.refresh(root)
    await watch.look()
    [after] = watch.facts
    assert (before.kind, before.this_update, before.entries, before.fetched) == (
        "base",
        None,
        None,
        None,
    )
    assert after.authority == root.id
    assert after.fetched is True
    assert after.entries == 0
    assert after.this_update is not None
    assert after.next_update is not None
    assert after.this_update < after.next_update
    assert (before.last_fetch, before.size, before.refused_from) == (None, None, None)
    assert after.last_fetch is not None
    assert after.size is not None
    assert after.refused_from == after.next_update
    assert (after.near_limit, after.exempt) == (False, False)
