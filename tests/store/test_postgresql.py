"""The shared database: what it does to other processes, and what may befall its server."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gateway.config import StoreLocation
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.change_watch import ChangeWatch
from gateway.store.follow import Follower
from gateway.store.postgresql import PostgresqlBackend, connect
from gateway.store.snapshot import Snapshot
from gateway.store.store import Store, open_store
from tests.store import postgresql_server
from tests.store.postgresql_server import Server

ALICE = Mailbox("alice@x.test")


@pytest.fixture
def location(server: Server) -> StoreLocation:
    """An empty database that is asked only when it announces something."""
    return StoreLocation(url=server.new_database(), poll_seconds=60)


@pytest.fixture
def store(location: StoreLocation, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(tmp_path, location) as opened:
        yield opened


def follower_of(location: StoreLocation, tmp_path: Path) -> Follower:
    """A follower in a process of its own, as far as the store can tell."""
    return Follower(open_store(tmp_path, location))


@pytest.fixture
def follower(store: Store, location: StoreLocation, tmp_path: Path) -> Iterator[Follower]:
    """A follower that has read the store."""
    following = follower_of(location, tmp_path)
    following.poll()
    yield following
    following.close()
    following._database.forget_connections()


def watch_of(follower: Follower) -> ChangeWatch:
    """Its watch."""
    assert isinstance(follower._watch, ChangeWatch)
    return follower._watch


def connection_of(follower: Follower) -> "psycopg.Connection[object]":
    """The connection over which it listens."""
    connection = watch_of(follower)._connection
    assert connection is not None
    return connection


def eventually(follower: Follower, *, seconds: float = 10) -> Snapshot:
    """The next news; errors are passed over."""
    until = time.monotonic() + seconds
    while True:
        assert time.monotonic() < until
        try:
            snapshot = follower.poll()
        except StateError:
            continue
        if snapshot is not None:
            return snapshot


class TestFollowing:
    """`Follower.poll`."""

    def test_an_announcement_is_enough(self, store: Store, follower: Follower) -> None:
        """A change arrives long before the log would have been asked."""
        store.mailboxes.add(ALICE)
        assert eventually(follower).find_by_upn(ALICE.upn) == ALICE

    def test_nothing_is_asked_while_nothing_is_announced(self, follower: Follower) -> None:
        """A poll then sends nothing to the server."""
        connection = connection_of(follower)
        sent = _statements(connection)
        for _ in range(5):
            assert follower.poll() is None
        assert _statements(connection) == sent

    def test_without_announcements_the_log_is_asked(
        self, store: Store, location: StoreLocation, tmp_path: Path
    ) -> None:
        """As behind a pooler, where LISTEN reaches another connection."""
        often = location.model_copy(update={"poll_seconds": 0.1})
        follower = follower_of(often, tmp_path)
        follower.poll()
        connection_of(follower).execute("UNLISTEN *")
        store.mailboxes.add(ALICE)
        assert eventually(follower).find_by_upn(ALICE.upn) == ALICE
        follower.close()
        follower._database.forget_connections()

    def test_a_connection_that_is_cut_is_made_anew_at_once(
        self, store: Store, follower: Follower, server: Server
    ) -> None:
        """What was committed meanwhile arrives, and no poll fails."""
        pid = connection_of(follower).info.backend_pid
        server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
        store.mailboxes.add(ALICE)
        snapshot = follower.poll()
        assert snapshot is not None
        assert snapshot.find_by_upn(ALICE.upn) == ALICE
        assert connection_of(follower).info.backend_pid != pid

    def test_another_database_in_its_place_is_read_whole(
        self,
        store: Store,
        follower: Follower,
        location: StoreLocation,
        server: Server,
        tmp_path: Path,
    ) -> None:
        """One that was made anew under the name, with the same change id, is another store."""
        store.mailboxes.add(ALICE)
        eventually(follower)
        store.close()
        name = location.url.partition("@/")[2].partition("?")[0]
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name} OWNER gateway TEMPLATE template0")
        with open_store(tmp_path, location) as other:
            other.mailboxes.add(Mailbox("bob@x.test"))
        snapshot = eventually(follower)
        assert (snapshot.change_id, snapshot.find_by_upn(ALICE.upn)) == (1, None)
        assert snapshot.find_by_upn("bob@x.test") is not None


class TestServerGone:
    """The server stops, or says nothing."""

    def test_a_server_that_stops_is_an_error_until_it_is_back(self, tmp_path: Path) -> None:
        """Reads, writes and polls fail with the store's name, then all is well by itself."""
        with postgresql_server.running() as own:
            location = StoreLocation(url=own.new_database())
            with open_store(tmp_path, location) as store:
                follower = follower_of(location, tmp_path)
                follower.poll()
                own.stop()
                for _ in range(3):
                    with pytest.raises(StateError, match=r"the store postgresql:.* cannot be read"):
                        follower.poll()
                with pytest.raises(StateError, match="cannot be written"):
                    store.mailboxes.add(ALICE)
                own.start()
                store.mailboxes.add(ALICE)
                assert eventually(follower).find_by_upn(ALICE.upn) == ALICE
                follower.close()
                follower._database.forget_connections()

    def test_a_server_that_says_nothing_is_an_error(self, tmp_path: Path) -> None:
        """A poll ends when the server is silent for some seconds, as does a new connection."""
        with postgresql_server.running() as own:
            location = StoreLocation(url=own.new_database() + "&connect_timeout=2")
            backend = PostgresqlBackend.at(location)
            connection = connect(backend._parameters, 0.2)
            follower = follower_of(location, tmp_path)
            follower.poll()
            watch_of(follower)._is_announced = True
            with own.paused():
                with pytest.raises(psycopg.OperationalError, match=r"said nothing for 0\.2 s"):
                    connection.execute("SELECT 1")
                with pytest.raises(StateError, match="cannot be read"):
                    follower.poll()
            assert connection.closed
            with open_store(tmp_path, location) as store:
                store.mailboxes.add(ALICE)
            assert eventually(follower).find_by_upn(ALICE.upn) == ALICE
            follower.close()
            follower._database.forget_connections()


class TestWriting:
    """`Database.writing`."""

    def test_a_writer_that_waits_for_another_gives_up(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever holds the lock for long keeps nobody waiting without end."""
        begin = "gateway.store.postgresql._BEGIN_WRITE"
        text = _begin_write().replace("lock_timeout = '10s'", "lock_timeout = '100ms'")
        monkeypatch.setattr(begin, text)
        failed: list[str] = []

        def add() -> None:
            try:
                store.mailboxes.add(ALICE)
            except StateError as error:
                failed.append(str(error))

        with store.database.writing():
            thread = threading.Thread(target=add)
            thread.start()
            thread.join()
        assert "lock timeout" in failed[0]


class TestAt:
    """`PostgresqlBackend.at`."""

    def test_the_password_is_in_a_file(self, server: Server, tmp_path: Path) -> None:
        """A line end after it is none of it; a wrong one is refused without being shown."""
        file = tmp_path / "password"
        name = server.new_database().partition("@/")[2].partition("?")[0]
        url = server.url(name, user=postgresql_server._PASSWORD_USER)
        location = StoreLocation(url=url, password_file=file)
        file.write_text(postgresql_server._PASSWORD + "\n")
        open_store(tmp_path, location).close()
        file.write_text("secret123")
        with pytest.raises(StateError, match="password authentication failed") as caught:
            open_store(tmp_path, location)
        assert "secret123" not in str(caught.value)

    def test_a_password_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        """With its key."""
        location = StoreLocation(url="postgresql://x@/y", password_file=tmp_path / "none")
        with pytest.raises(StateError, match=r"store\.password_file: .*none: cannot be read"):
            open_store(tmp_path, location)

    def test_a_password_in_the_url_is_in_no_error(self, tmp_path: Path) -> None:
        """The store's name goes without it."""
        url = f"postgresql://joe:secret123@/base?host={tmp_path}"
        with pytest.raises(StateError, match=r"the store postgresql://joe@/") as caught:
            open_store(tmp_path, StoreLocation(url=url))
        assert "secret123" not in str(caught.value)

    def test_a_url_that_is_none_is_named(self, tmp_path: Path) -> None:
        """With its key."""
        location = StoreLocation(url="postgresql://x@/y?wrong=1")
        with pytest.raises(StateError, match=r'store\.url: .*"wrong"'):
            open_store(tmp_path, location)


def _statements(connection: "psycopg.Connection[object]") -> object:
    """When the server last heard from this connection."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as other:
        pid = connection.info.backend_pid
        statement = "SELECT query_start FROM pg_stat_activity WHERE pid = %s"
        return other.execute(statement, [pid]).fetchone()


def _begin_write() -> str:
    from gateway.store import postgresql  # noqa: PLC0415 (what is replaced is read here alone)

    return postgresql._BEGIN_WRITE
