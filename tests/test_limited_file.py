"""A file is read up to its limit, and every failure is a sentence that names it."""

from pathlib import Path

import pytest

from gateway.errors import CertificateError
from gateway.limited_file import read_limited


def test_a_file_may_have_as_many_bytes_as_the_limit(tmp_path: Path) -> None:
    """The limit is the largest size that is read."""
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert read_limited(path, 4, CertificateError) == b"1234"
    with pytest.raises(CertificateError, match=rf"{path}: is larger than 3 bytes\Z"):
        read_limited(path, 3, CertificateError)


def test_a_file_without_end_is_refused() -> None:
    """A device is read no further than a file would be."""
    with pytest.raises(CertificateError, match="is larger than 10 bytes"):
        read_limited(Path("/dev/zero"), 10, CertificateError)


@pytest.mark.parametrize(
    ("name", "said"), [("none", "No such file or directory"), (".", "Is a directory")]
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, said: str) -> None:
    """The path stands once in the sentence, with the reason in words."""
    path = tmp_path / name
    with pytest.raises(CertificateError) as raised:
        read_limited(path, 10, CertificateError)
    assert str(raised.value) == f"{path}: cannot be read: {said}"
