"""The compiled index: what was written is found, and what is damaged is refused."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.crl import AcceptedCrl, CrlKind, RevocationList, verify_crl
from gateway.core.crl_entries import CrlReason
from gateway.errors import CrlError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.revocation.index import IndexFile, index_path, write_index
from tests.core.crl_samples import NOW, SKEW, authority_of

CA = CertificateAuthority.root("Issuing CA")


def crl_of(*serial_numbers: int) -> RevocationList:
    """A verified CRL that lists these."""
    revoked = [
        Revocation(serial_number=one, reason=x509.ReasonFlags.superseded) for one in serial_numbers
    ]
    data = CA.sign_crl(revoked, this_update=NOW).public_bytes(Encoding.DER)
    return verify_crl(data, authority_of(CA), now=NOW, clock_skew=SKEW, previous=None)


@given(st.sets(st.integers(1, 2**159 - 1), max_size=20), st.integers(1, 2**159 - 1))
def test_the_index_says_what_the_crl_says(
    tmp_path_factory: pytest.TempPathFactory, serial_numbers: set[int], other: int
) -> None:
    """Every listed serial number is found, no other, and the header is the CRL's."""
    path = tmp_path_factory.mktemp("index") / "a.index"
    crl = crl_of(*serial_numbers)
    write_index(path, crl, NOW - timedelta(hours=3))
    index = IndexFile.open(path)
    assert index.accepted == AcceptedCrl(crl.facts, NOW - timedelta(hours=3))
    assert len(index.entries) == len(serial_numbers)
    for number in (*serial_numbers, other):
        assert index.find(number) == crl.find(number)


def test_an_open_index_outlives_its_file(tmp_path: Path) -> None:
    """Who holds an index is not disturbed when the file is replaced or removed."""
    path = tmp_path / "a.index"
    write_index(path, crl_of(5), NOW)
    old = IndexFile.open(path)
    write_index(path, crl_of(6), NOW)
    new = IndexFile.open(path)
    path.unlink()
    assert [index.find(5) is not None for index in (old, new)] == [True, False]
    found = new.find(6)
    assert found is not None
    assert found.reason is CrlReason.SUPERSEDED


def test_every_damaged_octet_is_noticed(tmp_path: Path) -> None:
    """No octet of the file can change without the whole being refused."""
    path = tmp_path / "a.index"
    write_index(path, crl_of(5, 2**100), NOW)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 0x10,)) + whole[at + 1 :])
        with pytest.raises(CrlError, match=r"a.index: the index is"):
            IndexFile.open(path)


@pytest.mark.parametrize("size", [0, 5, 20, -1])
def test_a_truncated_index_is_refused(tmp_path: Path, size: int) -> None:
    """Wherever it ends too early."""
    path = tmp_path / "a.index"
    write_index(path, crl_of(5), NOW)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CrlError, match=r"a.index: the index is (truncated|damaged)"):
        IndexFile.open(path)


def test_nothing_is_left_of_an_index_that_could_not_be_written(tmp_path: Path) -> None:
    """The old index stays, and no temporary file."""
    path = tmp_path / "a.index"
    path.mkdir()
    with pytest.raises(OSError, match=r"a.index"):
        write_index(path, crl_of(5), NOW)
    assert list(tmp_path.iterdir()) == [path]


def test_each_crl_has_a_file_of_its_own() -> None:
    """Base and delta of one authority do not meet."""
    paths = [index_path(Path("state"), "ab12", kind.value) for kind in CrlKind]
    assert paths == [Path("state/ab12.base.index"), Path("state/ab12.delta.index")]
