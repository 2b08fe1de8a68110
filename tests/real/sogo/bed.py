"""Where the test bed keeps its state, which loopback ports it takes and whose mailboxes it has."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STATE_VARIABLE = "EAS_REAL_STATE"
HOST = "127.0.0.1"
DOMAIN = "example.test"
ALICE = f"alice@{DOMAIN}"
BOB = f"bob@{DOMAIN}"
MAILBOXES = (ALICE, BOB)
EAS_PATH = "/SOGo/Microsoft-Server-ActiveSync"
IDENTITY_HEADER = "x-webobjects-remote-user"


@dataclass(frozen=True, kw_only=True)
class Bed:
    """One SOGo with the services that it stands on; everything it writes is below `state`."""

    state: Path
    sogo_port: int = 20000
    mariadb_port: int = 13306
    memcached_port: int = 11222
    imap_port: int = 10143
    smtp_port: int = 10025

    @classmethod
    def from_environment(cls) -> Self:
        """The bed whose state folder EAS_REAL_STATE names, else one in the temporary folder."""
        default = Path(tempfile.gettempdir()) / "eas-gateway-real"
        return cls(state=Path(os.environ.get(STATE_VARIABLE) or default).resolve())

    @property
    def url(self) -> str:
        """Where SOGo answers ActiveSync, with nothing in between."""
        return f"http://{HOST}:{self.sogo_port}{EAS_PATH}"

    def folder(self, name: str, *, owner: str | None = None, mode: int = 0o755) -> Path:
        """The folder `name` of the state, which exists afterwards and belongs to `owner`."""
        path = self.state / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if owner is not None:
            shutil.chown(path, owner, owner)
        return path

    def render(self, template: str, target: Path) -> Path:
        """Write the `template` beside this module to `target`, its @names@ filled in."""
        text = (Path(__file__).parent / template).read_text(encoding="utf-8")
        values = vars(self) | {"host": HOST, "domain": DOMAIN}
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        target.write_text(text, encoding="utf-8")
        return target
