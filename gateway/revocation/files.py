"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path


def replace(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Make `parts` the content of `path`: a reader, or a power cut, finds the old or the new whole.

    Raises OSError, and then leaves `path` as it was.
    """
    put_in_place(stage(path, parts), path)


def stage(path: Path, parts: Iterable[bytes | memoryview]) -> Path:
    """A file beside `path` with `parts` on the disk, to be put in its place; raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            # CRLs are public, and who runs the command line may be another user than the gateway.
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def put_in_place(temporary: Path, path: Path) -> None:
    """The staged file is `path` now, and stays so after a power cut.

    Raises OSError, and then leaves `path` as it was and removes the staged file.
    """
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
