"""A gateway for the tests of profiles."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.profiles.bed import Bed, make_bed


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A gateway's configuration with Alice, Bob and the CAs; made once and not changed."""
    with make_bed(tmp_path_factory.mktemp("profile")) as bed:
        yield bed


@pytest.fixture
def bed(shared: Bed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bed:
    """The same gateway, with a folder of the test's own for profiles."""
    return shared.in_folder(tmp_path, capsys)
