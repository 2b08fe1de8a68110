"""What a phone says of its model and software: the DeviceInformation of Settings and Provision.

MS-ASCMD section 2.2.3.45 and, from version 14.1 on, inside Provision (MS-ASPROV section 2.2.2.53).
The phone may say anything: the texts are for people and for rules by name, never proof. IMEI, phone
number, its owner's name for it and the rest are left where they are: they say nothing that a rule
needs, and what is not read cannot be kept, shown or lost.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

from gateway.core.wbxml import SMALL_LIMITS, Element, decode

MAX_TEXT: Final = 256
"""Characters of one text that are kept; the protocol allows 1024."""


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """What the phone said, None where it said nothing.

    Each text is one line of at most `MAX_TEXT` characters, without control, format or unassigned
    characters, and not empty.
    """

    model: str | None = None
    os: str | None = None


def read_device_information(body: bytes) -> DeviceInformation | None:
    """Return what the body of a Settings or Provision request says; None if it says nothing.

    Raises:
        WbxmlError: the body is no WBXML document or larger than 64 KiB.
    """
    return device_information(decode(body, SMALL_LIMITS)) if body else None


def device_information(root: Element) -> DeviceInformation | None:
    """Return what a decoded Settings or Provision request says; None if it says nothing."""
    said = root.find("Settings:DeviceInformation", "Settings:Set")
    if said is None:
        return None
    found = DeviceInformation(_text(said, "Settings:Model"), _text(said, "Settings:OS"))
    return None if found == DeviceInformation() else found


def _text(said: Element, tag: str) -> str | None:
    value = said.text_at(tag)
    return None if value is None else clean_text(value)


def clean_text(text: str) -> str | None:
    """The text on one line, printable and at most `MAX_TEXT` characters; None if nothing is left.

    White space of any kind becomes one space. Unicode's categories C (control, format such as the
    marks that turn the direction of writing, surrogate, private, unassigned) are dropped.
    """
    lines = " ".join(text[: 4 * MAX_TEXT].split())
    kept = "".join(one for one in lines if not unicodedata.category(one).startswith("C"))
    return " ".join(kept.split())[:MAX_TEXT].strip() or None
