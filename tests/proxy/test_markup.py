"""A string is text, whatever stands in it."""

import html.parser

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.markup import Markup, element


class Reader(html.parser.HTMLParser):
    """What a browser makes of it: the elements, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text.append(data)


def test_elements_in_elements() -> None:
    """Only markup is markup; names of attributes are as HTML has them."""
    inner = element("a", "<x>", href="/?a&b", class_="c", aria_label='"')
    assert inner == Markup('<a href="/?a&amp;b" class="c" aria-label="&quot;">&lt;x&gt;</a>')
    assert element("p", "1 < 2 ", inner).source == f"<p>1 &lt; 2 {inner.source}</p>"
    assert element("meta", charset="utf-8").source == '<meta charset="utf-8">'


def test_what_cannot_be_seen_shows_as_its_escape() -> None:
    """Nor does a character turn the direction of what follows it."""
    assert element("p", "a\u202eb\x00c\nd\ud800").source == "<p>a\\u202eb\\x00c\\nd\\ud800</p>"


@given(st.text(), st.text())
def test_no_text_breaks_out(text: str, value: str) -> None:
    """A browser finds the two elements that were made, with that text in them."""
    read = Reader(element("p", element("b", text, title=value)).source)
    visible = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    assert [name for name, _ in read.elements] == ["p", "b"]
    assert [key for key, _ in read.elements[1][1]] == ["title"]
    assert "".join(read.text) == visible
