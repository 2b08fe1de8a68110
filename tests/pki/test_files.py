"""Files appear whole, together, and readable by the right people."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from gateway.errors import CertificateError
from gateway.pki.files import create_secret, install, locked, make_directory


def test_only_public_files_are_readable_by_others(tmp_path: Path) -> None:
    """Certificates, CRLs and the state are public; keys and whatever else are their owner's."""
    names = ["a.pem", "a.crl", "a.json", "a.key", "a.p12", "password"]
    install(tmp_path, dict.fromkeys(names, b"x"))
    secret = {one for one in names if stat.S_IMODE((tmp_path / one).stat().st_mode) == 0o600}
    assert secret == {"a.key", "a.p12", "password"}


def test_a_file_is_replaced_by_the_new_content(tmp_path: Path) -> None:
    """A file that is there gets its new content, and its secret mode, whatever it had."""
    (tmp_path / "a.key").write_bytes(b"old and longer")
    (tmp_path / "a.key").chmod(0o666)
    install(tmp_path, {"a.key": b"new"})
    assert (tmp_path / "a.key").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


def test_nothing_appears_if_one_cannot_be_written(tmp_path: Path) -> None:
    """A failure at the last file leaves the folder as it was."""
    (tmp_path / "a.pem").write_bytes(b"old")
    with pytest.raises(CertificateError, match="cannot be written: "):
        install(tmp_path, {"a.pem": b"new", "b.pem": b"new", "no-such-folder/c.pem": b"new"})
    assert [one.name for one in tmp_path.iterdir()] == ["a.pem"]
    assert (tmp_path / "a.pem").read_bytes() == b"old"


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    """The error for a path that is a file says which path."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CertificateError, match=r"file/pki"):
        make_directory(tmp_path / "file" / "pki")
    with (
        pytest.raises(CertificateError, match="missing: cannot be opened: No such file"),
        locked(tmp_path / "missing"),
    ):
        pass


def test_a_locked_folder_is_locked_for_others(tmp_path: Path) -> None:
    """While one holds the folder nobody else gets it; afterwards somebody does."""
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with locked(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)


def test_a_secret_is_new_and_private(tmp_path: Path) -> None:
    """A secret's file is its owner's whatever it is called, and never replaces another file."""
    create_secret(tmp_path / "secret.pem", b"one")
    assert stat.S_IMODE((tmp_path / "secret.pem").stat().st_mode) == 0o600
    with pytest.raises(CertificateError, match=r"secret\.pem"):
        create_secret(tmp_path / "secret.pem", b"two")
    assert (tmp_path / "secret.pem").read_bytes() == b"one"
