"""A store of its own for each test, on each database that is there."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.config import StoreLocation
from gateway.store.store import Store, open_store
from tests.store import postgresql_server
from tests.store.postgresql_server import Server

_POSTGRESQL = ["postgresql"] if os.environ.get(postgresql_server.WANTED) else []
KINDS = ["sqlite", *_POSTGRESQL]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """What tests PostgreSQL alone is looked at where there is one."""
    return (collection_path.name.startswith("test_postgresql") and not _POSTGRESQL) or None


@dataclass(frozen=True)
class Place:
    """Where a store is, or will be."""

    directory: Path
    location: StoreLocation

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.location.url == "sqlite"

    @property
    def path(self) -> Path:
        """The file, if it is one."""
        return self.directory / "store.db"

    def open(self) -> Store:
        """The store, as another process opens it."""
        return open_store(self.directory, self.location)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server."""
    with postgresql_server.running() as running:
        yield running


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place where no store is yet, of each kind."""
    return make_place(request, tmp_path, request.param)


@pytest.fixture
def file_place(tmp_path: Path) -> Place:
    """A place for a store that is a file."""
    return Place(tmp_path / "state", StoreLocation())


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    """An empty store."""
    with place.open() as opened:
        yield opened


@pytest.fixture
def file_store(file_place: Place) -> Iterator[Store]:
    """An empty store that is a file."""
    with file_place.open() as opened:
        yield opened


def make_place(request: pytest.FixtureRequest, tmp_path: Path, kind: Any) -> Place:
    """A place of that kind."""
    if kind == "sqlite":
        return Place(tmp_path / "state", StoreLocation())
    server: Server = request.getfixturevalue("server")
    return Place(tmp_path / "state", StoreLocation(url=server.new_database()))
