"""Files that appear together, each whole, and the secret ones readable by their owner alone."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import CertificateError

_PUBLIC = 0o644
_SECRET = 0o600
_PUBLIC_SUFFIXES = frozenset({".pem", ".crl", ".json"})


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """No other process that asks holds `directory` until the context ends; a dead one lets go.

    Raises:
        CertificateError: if `directory` cannot be opened.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise CertificateError(f"{directory}: cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """`directory` exists; raises CertificateError if it cannot be made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CertificateError(f"{directory}: cannot be made: {error.strerror}") from error


def install(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Write each file of `contents` (name to bytes) in `directory`.

    All is on the disk before the first name appears; names appear in the order given, each with
    its whole content. All but certificates, CRLs and JSON get mode 0600 before a byte is in them.

    Raises:
        CertificateError: if something cannot be written; then no name has changed, unless the
            renaming itself failed half-way.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".new-", dir=directory) as staging:
            for name, content in contents.items():
                mode = _PUBLIC if Path(name).suffix in _PUBLIC_SUFFIXES else _SECRET
                _write(Path(staging, name), content, mode)
            for name in contents:
                Path(staging, name).replace(directory / name)
        _sync(directory)
    except OSError as error:
        raise CertificateError(f"{directory}: cannot be written: {error.strerror}") from error


def create_secret(path: Path, content: bytes) -> None:
    """`path` is a new file with `content` and mode 0600, whatever its suffix.

    Raises:
        CertificateError: if it is there already or cannot be written.
    """
    try:
        _write(path, content, _SECRET)
    except OSError as error:
        raise CertificateError(f"{path}: cannot be written: {error.strerror}") from error


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
