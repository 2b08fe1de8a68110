"""HTML out of texts that anybody may have chosen: a string is text, only `Markup` is markup."""

import html
from dataclasses import dataclass

_VOID = frozenset(("meta", "link"))


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is put in as it is."""

    source: str


def element(name: str, /, *inside: str | Markup, **attributes: str) -> Markup:
    """An element; strings inside and in attributes are escaped, and show as they are.

    A character that cannot be seen, or turns the direction of what follows, shows as its escape. A
    `_` in the name of an attribute stands for `-`, and one at the end for nothing.
    """
    pairs = "".join(
        f' {key.strip("_").replace("_", "-")}="{_text(value)}"' for key, value in attributes.items()
    )
    if name in _VOID:
        return Markup(f"<{name}{pairs}>")
    content = "".join(one.source if isinstance(one, Markup) else _text(one) for one in inside)
    return Markup(f"<{name}{pairs}>{content}</{name}>")


def _text(value: str) -> str:
    visible = "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in value
    )
    return html.escape(visible)
