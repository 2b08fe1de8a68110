"""The commands of the demo mail server: an element comes in, an element goes out (MS-ASCMD)."""

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import Final

from gateway.core.wbxml import Element, element
from gateway.errors import RequestError
from gateway.probe.demo_mail import read_mime, send
from gateway.probe.demo_mailbox import FOLDERS, DemoMailbox, DemoMailboxes, DemoPartnership
from gateway.probe.messages import POLICY_TYPE

_POLICY_KEY_BITS = 31
_NUMBER: Final = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command of one device, with all that its answer may depend on.

    `minimum_heartbeat` and `maximum_heartbeat` are in seconds.
    """

    mailbox: DemoMailbox
    mailboxes: DemoMailboxes
    partnership: DemoPartnership
    root: Element | None
    minimum_heartbeat: int
    maximum_heartbeat: int


def failure(command: str, status: int) -> Element:
    """The answer that says of the whole command that it failed (MS-ASCMD 2.2.2)."""
    page = {"FolderSync": "FolderHierarchy", "Sync": "AirSync", "SendMail": "ComposeMail"}.get(
        command, command
    )
    return element(f"{page}:{command}", element(f"{page}:Status", str(status)))


def number(text: str | None) -> int | None:
    """The number that `text` writes in at most nine ASCII digits, or None."""
    return int(text) if text and _NUMBER.fullmatch(text) else None


def provision(exchange: Exchange) -> Element:
    """Offer a policy under a temporary key, or make the key final that is acknowledged.

    MS-ASPROV 3.1.5.1. The policy asks nothing of the device, and no device is ever wiped.
    """
    root = exchange.root or element("Provision:Provision")
    policy = root.find("Provision:Policies", "Provision:Policy")
    parts = [element("Provision:Status", "1")]
    if root.find("Settings:DeviceInformation") is not None:
        parts.insert(0, element("Settings:DeviceInformation", element("Settings:Status", "1")))
    if policy is not None:
        parts.append(element("Provision:Policies", _policy(exchange.partnership, policy)))
    return element("Provision:Provision", *parts)


def _policy(partnership: DemoPartnership, policy: Element) -> Element:
    kind = policy.text_at("Provision:PolicyType") or ""
    acknowledged = policy.text_at("Provision:PolicyKey")
    named = element("Provision:PolicyType", kind)
    if kind != POLICY_TYPE:
        return element("Provision:Policy", named, element("Provision:Status", "3"))
    if acknowledged is not None and acknowledged != partnership.offered_policy_key:
        return element("Provision:Policy", named, element("Provision:Status", "5"))
    key = str(secrets.randbits(_POLICY_KEY_BITS) + 1)
    parts = [named, element("Provision:Status", "1"), element("Provision:PolicyKey", key)]
    if acknowledged is None:
        partnership.offered_policy_key = key
        document = element(
            "Provision:EASProvisionDoc", element("Provision:DevicePasswordEnabled", "0")
        )
        parts.append(element("Provision:Data", document))
    else:
        partnership.offered_policy_key = None
        partnership.policy_key = key
    return element("Provision:Policy", *parts)


def folder_sync(exchange: Exchange) -> Element:
    """All folders for key 0, no change for the key that came of it (MS-ASCMD 2.2.1.5)."""
    key = exchange.root.text_at("FolderHierarchy:SyncKey") if exchange.root else None
    if key not in ("0", "1"):
        return failure("FolderSync", 9)
    added = [
        element(
            "FolderHierarchy:Add",
            element("FolderHierarchy:ServerId", folder.server_id),
            element("FolderHierarchy:ParentId", "0"),
            element("FolderHierarchy:DisplayName", folder.name),
            element("FolderHierarchy:Type", folder.type),
        )
        for folder in (FOLDERS if key == "0" else ())
    ]
    count = element("FolderHierarchy:Count", str(len(added)))
    return element(
        "FolderHierarchy:FolderSync",
        element("FolderHierarchy:Status", "1"),
        element("FolderHierarchy:SyncKey", "1"),
        element("FolderHierarchy:Changes", count, *added),
    )


def get_item_estimate(exchange: Exchange) -> Element:
    """How many messages each folder holds that the device has not been given."""
    path = ("GetItemEstimate:Collections",)
    collections = exchange.root.find(*path) if exchange.root else None
    asked = list(collections.all("GetItemEstimate:Collection")) if collections else []
    return element("GetItemEstimate:GetItemEstimate", *(_estimate(exchange, one) for one in asked))


def _estimate(exchange: Exchange, asked: Element) -> Element:
    server_id = asked.text_at("GetItemEstimate:CollectionId") or ""
    messages = exchange.mailbox.messages(server_id)
    key = number(asked.text_at("AirSync:SyncKey"))
    if messages is None or key is None or not 0 < key <= len(messages) + 1:
        status = "2" if messages is None else "4"
        return element("GetItemEstimate:Response", element("GetItemEstimate:Status", status))
    return element(
        "GetItemEstimate:Response",
        element("GetItemEstimate:Status", "1"),
        element(
            "GetItemEstimate:Collection",
            element("GetItemEstimate:CollectionId", server_id),
            element("GetItemEstimate:Estimate", str(len(messages) + 1 - key)),
        ),
    )


def send_mail(exchange: Exchange) -> Element | None:
    """Deliver the message; None, an empty answer, means that it was (MS-ASCMD 2.2.1.17)."""
    mime = exchange.root.find("ComposeMail:Mime") if exchange.root else None
    if exchange.root is None or mime is None:
        return failure("SendMail", 103)
    try:
        outgoing = read_mime(mime.opaque or mime.text.encode())
    except RequestError:
        return failure("SendMail", 107)
    if not outgoing.recipients:
        return failure("SendMail", 119)
    keep_copy = exchange.root.find("ComposeMail:SaveInSentItems") is not None
    send(outgoing, sender=exchange.mailbox, mailboxes=exchange.mailboxes, keep_copy=keep_copy)
    return None


async def ping(exchange: Exchange) -> Element:
    """Hold the answer until a watched folder has news or the heartbeat interval is over.

    A Ping without a body, or without one of the two, means the interval and the folders of the one
    before (MS-ASCMD 2.2.1.13).
    """
    partnership = exchange.partnership
    _remember(partnership, exchange.root)
    heartbeat = partnership.heartbeat_seconds
    if heartbeat is None or not partnership.watched:
        return failure("Ping", 3)
    nearest = min(max(heartbeat, exchange.minimum_heartbeat), exchange.maximum_heartbeat)
    if nearest != heartbeat:
        interval = element("Ping:HeartbeatInterval", str(nearest))
        return element("Ping:Ping", element("Ping:Status", "5"), interval)
    changed = await _changes(exchange, partnership.watched, heartbeat)
    if not changed:
        return failure("Ping", 1)
    folders = element("Ping:Folders", *(element("Ping:Folder", one) for one in changed))
    return element("Ping:Ping", element("Ping:Status", "2"), folders)


def _remember(partnership: DemoPartnership, root: Element | None) -> None:
    if root is None:
        return
    interval = root.text_at("Ping:HeartbeatInterval")
    if interval is not None:
        partnership.heartbeat_seconds = number(interval)
    folders = root.find("Ping:Folders")
    if folders is not None:
        asked = (one.text_at("Ping:Id") for one in folders.all("Ping:Folder"))
        partnership.watched = tuple(server_id for server_id in asked if server_id)


async def _changes(exchange: Exchange, watched: tuple[str, ...], seconds: int) -> tuple[str, ...]:
    mailbox, partnership = exchange.mailbox, exchange.partnership
    try:
        async with asyncio.timeout(seconds):
            while not mailbox.changed(partnership, watched) and not exchange.mailboxes.closed:
                await mailbox.arrival()
    except TimeoutError:
        return ()
    return mailbox.changed(partnership, watched)
