"""A PostgreSQL server of its own for a test session, on a socket that only this user can reach."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.real.sogo.packages import install_missing

WANTED = "EAS_GATEWAY_TEST_POSTGRESQL"
"""The environment variable that says that PostgreSQL is to be tested."""

_SUPERUSER = "postgres"
_USER = "gateway"  # owns the databases, and may no more than that
_PASSWORD_USER = "password_user"
_PASSWORD = "a pass/word"
_numbers = count(1)
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # the machine does not lose power during a test
    "max_connections": "200",
    "autovacuum": "off",
    "logging_collector": "off",
}


@dataclass(frozen=True)
class Server:
    """A running server; all but `password_user` log in without a password."""

    folder: Path

    def url(self, database: str, *, user: str = _USER) -> str:
        """What `store.url` is for a database."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.folder), safe='')}"

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"store_{os.getpid()}_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {_USER} TEMPLATE template0")
        return self.url(name)

    def execute(self, statement: str) -> None:
        """Run a statement as the superuser, outside of any transaction."""
        url = self.url(_SUPERUSER, user=_SUPERUSER)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """It accepts connections."""
        settings = [f"-c {name}={value or chr(39) * 2}" for name, value in _SETTINGS.items()]
        options = " ".join([f"-k {self.folder}", *settings])
        self._control("start", "-w", "-t", "30", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """It is gone, and has cut every connection; nothing happens if it did not run."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._control("stop", "-w", "-t", "30", "-m", "immediate")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Its processes do not run, and say nothing, until the end."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    def _control(self, *arguments: str) -> None:
        _run([str(_programs() / "pg_ctl"), "-D", str(self.folder / "data"), *arguments])


@contextmanager
def running() -> Iterator[Server]:
    """A new server, which is gone with all its data at the end."""
    folder = Path(tempfile.mkdtemp(prefix="eas-gateway-postgresql-", dir="/tmp"))
    server = Server(folder)
    try:
        if os.geteuid() == 0:  # the server refuses to be root's
            os.chown(folder, pwd.getpwnam(_SUPERUSER).pw_uid, -1)
        data = ["-D", str(folder / "data"), "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "-N"]
        _run([str(_programs() / "initdb"), *data, "--locale=C.UTF-8"])
        rules = f"local all {_PASSWORD_USER} scram-sha-256\nlocal all all trust\n"
        (folder / "data" / "pg_hba.conf").write_text(rules)
        server.start()
        try:
            server.execute(f"CREATE ROLE {_USER} LOGIN")
            server.execute(
                f"CREATE ROLE {_PASSWORD_USER} LOGIN PASSWORD '{_PASSWORD}' IN ROLE {_USER}"
            )
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _programs() -> Path:
    """Where initdb is: Debian keeps it out of the PATH."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))


def _run(command: list[str]) -> None:
    """Run a program of the server as who may run it; raises RuntimeError with what it said."""
    user = _SUPERUSER if os.geteuid() == 0 else None
    done = subprocess.run(
        command,
        user=user,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr}")


if __name__ == "__main__":  # `make test-postgresql`: the programs of a server are there
    if shutil.which("initdb") is None and not any(Path("/usr/lib/postgresql").glob("*/bin")):
        install_missing(("postgresql",))
