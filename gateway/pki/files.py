"""Files that appear together, each whole, and the secret ones readable by their owner alone."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.errors import CertificateError

_PUBLIC = 0o644
_SECRET = 0o600
_PUBLIC_SUFFIXES = frozenset({".pem", ".crl", ".json"})


def install(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Write each file of `contents` (name to bytes) in `directory`, and make it if need be.

    All is on the disk before the first name appears; names appear in the order given, each with
    its whole content. All but certificates, CRLs and JSON get mode 0600 before a byte is in them.

    Raises:
        CertificateError: if something cannot be written; then no name has changed, unless the
            renaming itself failed half-way.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=directory) as staging:
            for name, content in contents.items():
                _write(Path(staging, name), content)
            for name in contents:
                Path(staging, name).replace(directory / name)
        _sync(directory)
    except OSError as error:
        raise CertificateError(f"Cannot write to {directory}: {error}.") from error


def _write(path: Path, content: bytes) -> None:
    mode = _PUBLIC if path.suffix in _PUBLIC_SUFFIXES else _SECRET
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
