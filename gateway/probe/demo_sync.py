"""The Sync command of the demo mail server (MS-ASCMD 2.2.1.21).

A sync key counts: key n was given to a device that has the first n - 1 messages of the folder. So a
request that is repeated after a lost answer gets its answer again, and keys outlive nothing but the
server itself.
"""

from datetime import datetime
from typing import Final

from gateway.core.wbxml import Element, element
from gateway.probe.demo_commands import Exchange, failure, number
from gateway.probe.demo_mailbox import FOLDERS, DemoMessage

_DEFAULT_WINDOW: Final = 100
_MAX_WINDOW: Final = 512


def sync(exchange: Exchange) -> Element | None:
    """What is new in the folders asked for; None, an empty answer, if nothing is."""
    if exchange.root is None:
        asked = _again(exchange)
        if not asked:
            return failure("Sync", 13)
    else:
        collections = exchange.root.find("AirSync:Collections")
        asked = list(collections.all("AirSync:Collection")) if collections else []
        if not asked:
            return failure("Sync", 4)
    answers = [answer for one in asked if (answer := _collection(exchange, one)) is not None]
    if not answers:
        return None
    return element("AirSync:Sync", element("AirSync:Collections", *answers))


def _again(exchange: Exchange) -> list[Element]:
    """The collections that an empty request stands for: those synchronised before."""
    return [
        element(
            "AirSync:Collection",
            element("AirSync:SyncKey", str(exchange.partnership.delivered[folder.server_id] + 1)),
            element("AirSync:CollectionId", folder.server_id),
        )
        for folder in FOLDERS
        if folder.server_id in exchange.partnership.delivered
    ]


def _collection(exchange: Exchange, asked: Element) -> Element | None:
    server_id = asked.text_at("AirSync:CollectionId") or ""
    messages = exchange.mailbox.messages(server_id)
    key = number(asked.text_at("AirSync:SyncKey"))
    if messages is None:
        return _answer(asked, "0", 8)
    if key is None or key > len(messages) + 1:
        return _answer(asked, "0", 3)
    delivered = exchange.partnership.delivered
    if key == 0:
        delivered[server_id] = 0
        return _answer(asked, "1", 1)
    start = key - 1
    end = min(len(messages), start + _window(asked))
    delivered[server_id] = end
    if end == start:
        return None
    more = [element("AirSync:MoreAvailable")] if end < len(messages) else []
    added = [_add(f"{server_id}:{number + 1}", messages[number]) for number in range(start, end)]
    commands = element("AirSync:Commands", *added)
    return _answer(asked, str(end + 1), 1, *more, commands)


def _window(asked: Element) -> int:
    return min(number(asked.text_at("AirSync:WindowSize")) or _DEFAULT_WINDOW, _MAX_WINDOW)


def _answer(asked: Element, key: str, status: int, *rest: Element) -> Element:
    # Up to version 12.1 a client names the class, and then the answer does (MS-ASCMD 2.2.3.27.5).
    named = asked.text_at("AirSync:Class")
    return element(
        "AirSync:Collection",
        *([element("AirSync:Class", named)] if named else []),
        element("AirSync:SyncKey", key),
        element("AirSync:CollectionId", asked.text_at("AirSync:CollectionId") or ""),
        element("AirSync:Status", str(status)),
        *rest,
    )


def _add(server_id: str, message: DemoMessage) -> Element:
    body = element(
        "AirSyncBase:Body",
        element("AirSyncBase:Type", "1"),
        element("AirSyncBase:EstimatedDataSize", str(len(message.body.encode()))),
        element("AirSyncBase:Data", message.body),
    )
    data = element(
        "AirSync:ApplicationData",
        element("Email:To", message.to),
        element("Email:From", message.sender),
        element("Email:Subject", message.subject),
        element("Email:DateReceived", _time(message.received)),
        element("Email:DisplayTo", message.to),
        element("Email:Importance", "1"),
        element("Email:Read", "0"),
        body,
        element("Email:MessageClass", "IPM.Note"),
        element("Email:InternetCPID", "65001"),
        element("AirSyncBase:NativeBodyType", "1"),
    )
    return element("AirSync:Add", element("AirSync:ServerId", server_id), data)


def _time(moment: datetime) -> str:
    """The form of MS-ASDTYPE 2.3 for e-mail: UTC with milliseconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
