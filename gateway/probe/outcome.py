"""What a step of the demo device can end in: an answer of the step's own type, or a `Failure`.

Every answer carries the ActiveSync `status`; 1 is success (MS-ASCMD 2.2.2). A status above 100 in
place of the step's own is how mail servers refuse a device from version 14.0 on.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Refused:
    """An HTTP status other than 200.

    `retry_after` is in seconds, None if absent or a date; `reference` is the id that the gateway's
    refusal names, to find it in its log.
    """

    status: int
    retry_after: int | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """The server ended TLS; `alert` is its alert as RFC 8446 section 6 names it, if it sent one."""

    alert: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class ServerNotTrusted:
    """The server's certificate is not from the device's CA, or is not for this host."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotConnected:
    """No TCP connection: the name has no address, or nothing listens there."""

    detail: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection ended after it had begun and before the answer was whole."""

    detail: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came within that many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The answer has HTTP status 200, but is not what the command defines."""

    detail: str


Failure: TypeAlias = (
    Refused
    | HandshakeRefused
    | ServerNotTrusted
    | NotConnected
    | ConnectionLost
    | NoAnswer
    | Unreadable
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The answer to OPTIONS (MS-ASHTTP 2.2.4)."""

    versions: tuple[str, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The end of both phases of Provision (MS-ASPROV 3.1.5.1).

    `policy_status` is None where no policy was in the answer. `policy_key` is the final key, None
    if the server gave none. `wipe`: the server asks for a remote wipe, which this device ignores.
    """

    status: int
    policy_status: int | None = None
    policy_key: int | None = None
    wipe: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as FolderSync lists it; an Inbox has `type` 2 (MS-ASCMD 2.2.3.186.3)."""

    server_id: str
    parent_id: str
    name: str
    type: int


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders that FolderSync added."""

    status: int
    folders: tuple[Folder, ...] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as Sync added it."""

    server_id: str
    sender: str
    to: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Synced:
    """What Sync added to one folder; `more` if the server has more to give at once."""

    status: int
    messages: tuple[Mail, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The server took the message, if `status` is 1."""

    status: int


@dataclass(frozen=True, slots=True)
class Pinged:
    """The end of a Ping (MS-ASCMD 2.2.3.177.11): 1 the interval is over, 2 these `folders` changed.

    `heartbeat` is the interval in seconds that the server would accept, if it says so (Status 5).
    """

    status: int
    folders: tuple[str, ...] = ()
    heartbeat: int | None = None
