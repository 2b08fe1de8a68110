"""A store of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path / "state") as opened:
        yield opened
