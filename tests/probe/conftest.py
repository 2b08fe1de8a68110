"""The surroundings of broken set-ups, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probe.broken import Surroundings, make_surroundings


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    """Gateways that run and certificates of every kind; tests leave them as they are."""
    with make_surroundings(tmp_path_factory.mktemp("broken")) as made:
        yield made


@pytest.fixture
def around(
    shared: Surroundings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Surroundings:
    """The same, with a folder of the test's own."""
    return shared.in_folder(tmp_path, capsys)
