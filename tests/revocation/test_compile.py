"""From the octets of a CRL to a staged index."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.crl import CrlKind
from gateway.errors import CrlError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.revocation.compile import Order, compile_here, compiled
from gateway.revocation.index import IndexFile
from tests.core.crl_samples import authority_of

CA = CertificateAuthority.root("Issuing CA")
LARGE = 15_000  # entries: more than half a megabyte


def order(folder: Path, entries: int, ca: CertificateAuthority = CA) -> Order:
    """To compile a CRL of `ca` with that many entries for the issuing CA."""
    revoked = [Revocation(serial_number=2**150 + n) for n in range(entries)]
    data = folder / "a.crl"
    data.write_bytes(ca.sign_crl(revoked).public_bytes(Encoding.DER))
    return Order(
        data=data,
        index=folder / "a.index",
        authority=authority_of(CA),
        kind=CrlKind.BASE,
        signer=None,
        previous=None,
        accept_rollback=False,
        now=datetime.now(UTC),
        clock_skew=timedelta(seconds=60),
    )


def names(folder: Path) -> list[str]:
    """All that is in `folder`."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("entries", [3, LARGE])
async def test_the_index_is_staged_and_not_in_place(tmp_path: Path, entries: int) -> None:
    """Small CRLs in a thread, large ones in a process: the outcome is the same."""
    given = order(tmp_path, entries)
    outcome = await compiled(given)
    assert not given.index.exists()
    assert outcome.entries == entries
    assert outcome.accepted.accepted_at == given.now
    index = IndexFile.open(outcome.staged)
    assert (index.accepted, len(index.entries)) == (outcome.accepted, entries)


@pytest.mark.parametrize("entries", [3, LARGE])
async def test_what_is_not_believed_is_an_error(tmp_path: Path, entries: int) -> None:
    """With the same sentence, whoever compiled it; nothing is staged."""
    other = order(tmp_path, entries, CertificateAuthority.root("Other CA"))
    with pytest.raises(CrlError, match="another CA's: its issuer is CN=Other CA"):
        await compiled(other)
    assert names(tmp_path) == ["a.crl"]


@pytest.mark.parametrize("entries", [3, LARGE])
async def test_a_disk_that_refuses_is_an_error(tmp_path: Path, entries: int) -> None:
    """As it is for every other file."""
    given = order(tmp_path, entries)
    broken = Order(
        **{name: getattr(given, name) for name in Order.__slots__}
        | {"index": tmp_path / "none" / "a.index"}
    )
    with pytest.raises(FileNotFoundError):
        await compiled(broken)


async def test_the_loop_goes_on_while_a_large_crl_is_compiled(tmp_path: Path) -> None:
    """Another task has its turn again and again."""
    given = order(tmp_path, LARGE)
    task = asyncio.gather(compiled(given))
    turns = 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0.001)
    await task
    assert turns > 10


async def test_whoever_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    """The process that compiles is killed and waited for."""
    given = order(tmp_path, LARGE)
    task = asyncio.gather(compiled(given))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not given.index.exists()


def test_a_crl_that_was_in_force_keeps_the_time_of_acceptance(tmp_path: Path) -> None:
    """Also when it was signed again with the same number and thisUpdate."""
    given = order(tmp_path, 3)
    first = compile_here(given)
    later = {"previous": first.accepted, "now": given.now + timedelta(hours=1)}
    again = Order(**{name: getattr(given, name) for name in Order.__slots__} | later)
    assert compile_here(again).accepted.accepted_at == given.now
