"""The bodies of the demo device: commands to encode, and what the answers to them say.

Nothing here does I/O. A reader that meets an answer of another command, or none of the required
parts, raises WbxmlError.
"""

import re
from typing import Final

from gateway.core.wbxml import Element, element
from gateway.errors import WbxmlError
from gateway.probe.outcome import Folder, Folders, Mail, Pinged, Provisioned, Synced

POLICY_TYPE: Final = "MS-EAS-Provisioning-WBXML"
_DIGITS: Final = re.compile("[0-9]{1,10}")
_LARGEST: Final = 2**32 - 1  # a policy key, the largest number there is (MS-ASHTTP 2.2.1.1.1.1)
_POLICY: Final = ("Provision:Policies", "Provision:Policy")


def policy_request(model: str | None) -> Element:
    """Ask for the policy; from 14.1 on a server wants to know the device's `model` as well."""
    policies = _policies(element("Provision:PolicyType", POLICY_TYPE))
    if model is None:
        return element("Provision:Provision", policies)
    information = element("Settings:Set", element("Settings:Model", model))
    return element(
        "Provision:Provision", element("Settings:DeviceInformation", information), policies
    )


def policy_acknowledgement(key: int) -> Element:
    """Say that the policy under the temporary `key` was applied."""
    return element(
        "Provision:Provision",
        _policies(
            element("Provision:PolicyType", POLICY_TYPE),
            element("Provision:PolicyKey", str(key)),
            element("Provision:Status", "1"),
        ),
    )


def wipe_acknowledgement(*, account_only: bool, succeeded: bool) -> Element:
    """Say what came of the wipe that the server asked for (MS-ASPROV section 3.1.5.1.2)."""
    wipe = "Provision:AccountOnlyRemoteWipe" if account_only else "Provision:RemoteWipe"
    status = element("Provision:Status", "1" if succeeded else "2")
    return element("Provision:Provision", element(wipe, status))


def _policies(*parts: Element) -> Element:
    return element("Provision:Policies", element("Provision:Policy", *parts))


def read_provision(root: Element) -> Provisioned:
    """What the answer to either phase says."""
    _expect(root, "Provision:Provision")
    key = root.text_at(*_POLICY, "Provision:PolicyKey")
    policy_status = root.text_at(*_POLICY, "Provision:Status")
    wipes = ("Provision:RemoteWipe", "Provision:AccountOnlyRemoteWipe")
    return Provisioned(
        status=_number(root.text_at("Provision:Status")),
        policy_status=None if policy_status is None else _number(policy_status),
        policy_key=None if key is None else _number(key),
        wipe=any(root.find(wipe) is not None for wipe in wipes),
    )


def folder_sync_request(key: str) -> Element:
    """Ask for the folders that are new since `key`."""
    return element("FolderHierarchy:FolderSync", element("FolderHierarchy:SyncKey", key))


def read_folder_sync(root: Element) -> tuple[Folders, str]:
    """The folders, and the key for the next time."""
    _expect(root, "FolderHierarchy:FolderSync")
    changes = root.find("FolderHierarchy:Changes")
    added = changes.all("FolderHierarchy:Add") if changes else ()
    folders = tuple(
        Folder(
            server_id=one.text_at("FolderHierarchy:ServerId") or "",
            parent_id=one.text_at("FolderHierarchy:ParentId") or "",
            name=one.text_at("FolderHierarchy:DisplayName") or "",
            type=_number(one.text_at("FolderHierarchy:Type")),
        )
        for one in added
    )
    status = _number(root.text_at("FolderHierarchy:Status"))
    return Folders(status, folders), root.text_at("FolderHierarchy:SyncKey") or "0"


def sync_request(
    folder: str,
    key: str,
    *,
    window: int = 100,
    body_bytes: int | None = None,
    class_named: bool = False,
) -> Element:
    """Ask for what is new in `folder` since `key`; a first request, key 0, only gets a key.

    At most `window` messages, with `body_bytes` of each one's text or all of it. Up to version
    12.1 the class is named (MS-ASCMD 2.2.3.27.5).
    """
    parts = [element("AirSync:Class", "Email")] if class_named else []
    parts += [element("AirSync:SyncKey", key), element("AirSync:CollectionId", folder)]
    if key != "0":
        wanted = [element("AirSyncBase:Type", "1")]
        if body_bytes is not None:
            wanted.append(element("AirSyncBase:TruncationSize", str(body_bytes)))
        preference = element("AirSyncBase:BodyPreference", *wanted)
        parts += [
            element("AirSync:DeletesAsMoves", "1"),
            element("AirSync:GetChanges", "1"),
            element("AirSync:WindowSize", str(window)),
            element("AirSync:Options", preference),
        ]
    collection = element("AirSync:Collection", *parts)
    return element("AirSync:Sync", element("AirSync:Collections", collection))


def read_sync(root: Element) -> tuple[Synced, str]:
    """What came, and the key for the next time."""
    _expect(root, "AirSync:Sync")
    collection = root.find("AirSync:Collections", "AirSync:Collection")
    if collection is None:
        return Synced(_number(root.text_at("AirSync:Status"))), "0"
    commands = collection.find("AirSync:Commands")
    added = commands.all("AirSync:Add") if commands else ()
    synced = Synced(
        status=_number(collection.text_at("AirSync:Status")),
        messages=tuple(_mail(one) for one in added),
        more=collection.find("AirSync:MoreAvailable") is not None,
    )
    return synced, collection.text_at("AirSync:SyncKey") or "0"


def _mail(added: Element) -> Mail:
    data = added.find("AirSync:ApplicationData") or Element(0, 5)
    return Mail(
        server_id=added.text_at("AirSync:ServerId") or "",
        sender=data.text_at("Email:From") or "",
        to=data.text_at("Email:To") or "",
        subject=data.text_at("Email:Subject") or "",
        body=data.text_at("AirSyncBase:Body", "AirSyncBase:Data") or "",
    )


def send_mail_request(client_id: str, mime: bytes) -> Element:
    """Send the message and keep a copy; the same `client_id` never sends twice."""
    return element(
        "ComposeMail:SendMail",
        element("ComposeMail:ClientId", client_id),
        element("ComposeMail:SaveInSentItems"),
        element("ComposeMail:Mime", mime),
    )


def read_send_mail(root: Element) -> int:
    """The status of a SendMail that was not done."""
    _expect(root, "ComposeMail:SendMail")
    return _number(root.text_at("ComposeMail:Status"))


def ping_request(folders: tuple[str, ...], heartbeat: int) -> Element:
    """Ask to be told of changes in `folders`, for at most `heartbeat` seconds."""
    watched = (
        element("Ping:Folder", element("Ping:Id", folder), element("Ping:Class", "Email"))
        for folder in folders
    )
    return element(
        "Ping:Ping",
        element("Ping:HeartbeatInterval", str(heartbeat)),
        element("Ping:Folders", *watched),
    )


def read_ping(root: Element) -> Pinged:
    """How the Ping ended."""
    _expect(root, "Ping:Ping")
    folders = root.find("Ping:Folders")
    heartbeat = root.text_at("Ping:HeartbeatInterval")
    return Pinged(
        status=_number(root.text_at("Ping:Status")),
        folders=tuple(one.text for one in folders.all("Ping:Folder")) if folders else (),
        heartbeat=None if heartbeat is None else _number(heartbeat),
    )


def _expect(root: Element, tag: str) -> None:
    if root.tag != tag:
        raise WbxmlError(f"the answer is a {root.tag} where a {tag} belongs")


def _number(text: str | None) -> int:
    digits = (
        text is not None and text.isascii() and text.isdecimal() and len(text) <= len(str(_LARGEST))
    )
    if text is None or not digits or int(text) > _LARGEST:
        raise WbxmlError(f"the answer has {text!r} where a number belongs")
    return int(text)
