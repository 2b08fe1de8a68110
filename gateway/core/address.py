"""What a UPN, an address and the names beside them in a directory may look like.

Decides whether one can be stored; is not told whose it is.
"""

import re

_LIMIT = 1024  # as for the names in a certificate, which these are compared with
UPSTREAM_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def address_problem(text: str) -> str | None:
    """Why `text` can be neither UPN nor address, as the end of a sentence; None if it can be."""
    if not text:
        return "is empty"
    if len(text) > _LIMIT:
        return f"has {len(text)} characters; {_LIMIT} are allowed"
    if not text.isprintable():
        return "has a control character or one that cannot be seen"
    if text != text.strip():
        return "begins or ends with a blank"
    local_part, _, domain = text.rpartition("@")
    if not local_part or not domain:
        return "is not of the form name@domain"
    return None


def name_problem(text: str) -> str | None:
    r"""Why `text` can be neither sAMAccountName nor NetBIOS domain; None if it can be."""
    if not text or text != text.strip() or not text.isprintable():
        return "is empty, begins or ends with a blank, or has a control character"
    if len(text) > _LIMIT:
        return f"has {len(text)} characters; {_LIMIT} are allowed"
    if "\\" in text or "@" in text:
        return "has a backslash or an @"
    return None


def group_problem(text: str) -> str | None:
    """Why `text` can be no name of a group; None if it can be."""
    if not text or text != text.strip() or not text.isprintable():
        return "is empty, begins or ends with a blank, or has a control character"
    return f"has {len(text)} characters; {_LIMIT} are allowed" if len(text) > _LIMIT else None


def upstream_problem(text: str) -> str | None:
    """Why `text` can be no name of an `[[upstream]]`; None if it can be."""
    if UPSTREAM_NAME.fullmatch(text):
        return None
    return "is no name of an [[upstream]]: a-z, 0-9 and hyphens"
