"""The folder of a demo: its PKI, configuration, mailboxes and logs, made anew for each run."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from gateway.errors import ConfigError
from gateway.pki.folder import PkiFolder

HOST: Final = "127.0.0.1"
DOMAIN: Final = "example.test"
PEOPLE: Final = ("alice", "bob", "carol", "dave")
_MARK: Final = ".eas-gateway-demo"


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on loopback: for phones, for operations, and of the mail server."""

    phones: int
    admin: int
    mail: int


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """The files of one demo."""

    directory: Path

    @property
    def pki(self) -> Path:
        """The development PKI, as `certs/README.md` describes one."""
        return self.directory / "pki"

    @property
    def config(self) -> Path:
        """The gateway's config.toml."""
        return self.directory / "config.toml"

    @property
    def mailboxes(self) -> Path:
        """The CSV file that `user import` reads."""
        return self.directory / "mailboxes.csv"

    def log(self, name: str) -> Path:
        """What the process of that name writes."""
        return self.directory / f"{name}.log"

    def make(self, ports: Ports) -> None:
        """PKI, mailboxes and configuration are there; raises GatewayError if they cannot be."""
        pki = PkiFolder.create(self.pki)
        made = {one.name for one in pki.state.issued}
        with PkiFolder.open(self.pki) as pki:
            for person in PEOPLE:
                if person not in made:
                    pki.issue(person, upn=upn(person), email=upn(person))
        rows = "".join(f"{upn(person)},{upn(person)}\n" for person in PEOPLE)
        self._write(self.mailboxes, f"upn,primary_address\n{rows}")
        self._write(self.config, _config(ports))

    def _write(self, path: Path, text: str) -> None:
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--state: {path} cannot be written: {error.strerror}") from error


def upn(person: str) -> str:
    """The user principal name, which is the mail address, too."""
    return f"{person}@{DOMAIN}"


@contextmanager
def fresh_folder(directory: Path) -> Iterator[DemoFolder]:
    """The folder without what an earlier demo left in it, and no other demo's until the end.

    Raises ConfigError if it holds anything but a demo, another demo runs in it, or it cannot be
    written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(_claimed(directory))
            _empty(directory)
        except OSError as error:
            raise ConfigError(f"--state: {directory} cannot be used: {error}") from error
        yield DemoFolder(directory)


def _claimed(directory: Path) -> IO[str]:
    """The open mark of a folder that is ours until it is closed."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()) and not (directory / _MARK).exists():
        raise ConfigError(
            f"--state: {directory} holds files that are not a demo's, and a demo empties its "
            "folder; name a new or an empty one"
        )
    mark = (directory / _MARK).open("w", encoding="utf-8")
    try:
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        mark.close()
        raise ConfigError(f"--state: another demo runs in {directory}; end it first") from error
    return mark


def _empty(directory: Path) -> None:
    for path in directory.iterdir():
        if path.name == _MARK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _config(ports: Ports) -> str:
    return f"""\
# Written by `eas-gateway demo`, anew for each run.

[listen]
address = "{HOST}"
port = {ports.phones}
certificate = "pki/server.pem"
private_key = "pki/server.key"
workers = 2

[state]
directory = "state"

[admin]
address = "{HOST}"
port = {ports.admin}

[[upstream]]
name = "demo"
url = "http://{HOST}:{ports.mail}"
"""
