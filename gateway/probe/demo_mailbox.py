"""The mailboxes of the demo mail server: a few folders of messages, in memory, lost at exit."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.core.names import fold
from gateway.errors import StateError


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """A folder that every demo mailbox has; `type` as MS-ASCMD 2.2.3.186.3 numbers them."""

    server_id: str
    name: str
    type: str


INBOX: Final = DemoFolder("1", "Inbox", "2")
DRAFTS: Final = DemoFolder("2", "Drafts", "3")
DELETED: Final = DemoFolder("3", "Deleted Items", "4")
SENT: Final = DemoFolder("4", "Sent Items", "5")
OUTBOX: Final = DemoFolder("5", "Outbox", "6")
FOLDERS: Final = (INBOX, DRAFTS, DELETED, SENT, OUTBOX)

_MAX_MAILBOXES = 1000
_MAX_DEVICES = 100
_MAX_MESSAGES = 1000


@dataclass(frozen=True, slots=True)
class DemoMessage:
    """A message as a folder shows it."""

    sender: str
    to: str
    subject: str
    body: str
    received: datetime


@dataclass(slots=True)
class DemoPartnership:
    """What the server remembers of one device.

    `delivered` counts, for each folder, the messages that the device has been given.
    """

    offered_policy_key: str | None = None
    policy_key: str | None = None
    heartbeat_seconds: int | None = None
    watched: tuple[str, ...] = ()
    delivered: dict[str, int] = field(default_factory=dict)


class DemoMailbox:
    """One user's folders and devices; a new mailbox holds one welcome message."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._folders: dict[str, list[DemoMessage]] = {f.server_id: [] for f in FOLDERS}
        self._devices: dict[str, DemoPartnership] = {}
        self._arrival = asyncio.Event()
        welcome = DemoMessage(
            sender="postmaster",
            to=name,
            subject="Welcome",
            body=f"This is the demo mailbox of {name}. Mail sent to it arrives here.",
            received=datetime.now(UTC),
        )
        self.put(INBOX, welcome)

    def partnership(self, device_id: str) -> DemoPartnership:
        """What is remembered of the device; a device not seen before is one from now on.

        Raises:
            StateError: The mailbox has as many devices as a demo mailbox may have.
        """
        key = fold(device_id)
        if key not in self._devices and len(self._devices) >= _MAX_DEVICES:
            raise StateError(f"the demo mailbox {self.name} has {_MAX_DEVICES} devices already")
        return self._devices.setdefault(key, DemoPartnership())

    def messages(self, server_id: str) -> tuple[DemoMessage, ...] | None:
        """The messages of a folder, oldest first, or None if there is no such folder."""
        folder = self._folders.get(server_id)
        return None if folder is None else tuple(folder)

    def put(self, folder: DemoFolder, message: DemoMessage) -> None:
        """Add the message to the folder and wake whoever waits for a change.

        Raises:
            StateError: The folder is full.
        """
        messages = self._folders[folder.server_id]
        if len(messages) >= _MAX_MESSAGES:
            raise StateError(f"the demo folder {folder.name} of {self.name} is full")
        messages.append(message)
        self.wake()

    def changed(self, partnership: DemoPartnership, server_ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the folders that hold messages which the device has not been given."""
        return tuple(
            server_id
            for server_id in server_ids
            if len(self._folders.get(server_id, ())) > partnership.delivered.get(server_id, 0)
        )

    def wake(self) -> None:
        """Let every `arrival` that is awaited return."""
        self._arrival.set()
        self._arrival = asyncio.Event()

    async def arrival(self) -> None:
        """Return when a message has been put into any folder, or after `wake`."""
        await self._arrival.wait()


class DemoMailboxes:
    """All mailboxes by user name, letter case aside; one begins when it is first named."""

    def __init__(self) -> None:
        self.closed = False
        self._mailboxes: dict[str, DemoMailbox] = {}

    def of(self, name: str) -> DemoMailbox:
        """The mailbox of that user.

        Raises:
            StateError: There are as many mailboxes as the demo may have.
        """
        key = fold(name.strip())
        if key not in self._mailboxes:
            if len(self._mailboxes) >= _MAX_MAILBOXES:
                raise StateError(f"the demo mail server has {_MAX_MAILBOXES} mailboxes already")
            self._mailboxes[key] = DemoMailbox(name.strip())
        return self._mailboxes[key]

    def close(self) -> None:
        """Let every held Ping end now."""
        self.closed = True
        for mailbox in self._mailboxes.values():
            mailbox.wake()
