"""The page as a browser reads it: who sees what, and nothing in it that a certificate chose."""

import base64
import hashlib
import html.parser
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.names import PrincipalName, Rfc822Name, SanName
from gateway.core.self_check import Admitted, Outcome, Presented, SelfCheck, Validity
from gateway.proxy import self_check_texts as texts
from gateway.proxy.self_check_page import FIELDS, page

NOW = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)
REFERENCE = "ABCDEF2345"
ADMITTED = Admitted("CN=alice", "CN=Issuing", 0xABC, "alice@example.test", NOW)


def presented(*names: SanName) -> Presented:
    """A certificate with these names."""
    return Presented(names, NOW - timedelta(days=1), NOW + timedelta(days=300), Validity.VALID)


class Read(html.parser.HTMLParser):
    """Elements with their attributes, and the text between them but for the style sheet."""

    def __init__(self, source: bytes) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.style = ""
        self.texts: list[str] = []
        self.feed(source.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append(tag)
        self.attributes.update(key for key, _ in attrs)

    def handle_data(self, data: str) -> None:
        """Text, or the style sheet."""
        if self.elements and self.elements[-1] == "style" and not self.style:
            self.style = data
        elif data.strip():
            self.texts.append(data)

    def after(self, label: str) -> str:
        """The text behind the one that says `label`."""
        return self.texts[self.texts.index(label) + 1]


def test_who_is_let_in() -> None:
    """The holder sees the certificate, the mailbox, its revocation and the reference."""
    names = (PrincipalName("alice@example.test"), Rfc822Name("a@mail.test"))
    read = Read(page(SelfCheck(Outcome.ALLOWED, NOW, presented(*names), ADMITTED), REFERENCE))
    assert read.after(texts.MAILBOX) == "alice@example.test"
    assert read.after(texts.USER_NAMES) == "alice@example.test"
    assert read.after(texts.ADDRESSES) == "a@mail.test"
    assert read.after(texts.REVOCATION) == "Not revoked, by the list of 1 March 2026, 09:05 UTC"
    assert read.after(texts.SUBJECT) == "CN=alice"
    assert read.after(texts.ISSUER) == "CN=Issuing"
    assert read.after(texts.SERIAL) == "abc"
    assert read.after(texts.NOT_AFTER) == "26 December 2026, 09:05 UTC"
    assert REFERENCE in read.texts


def test_a_ca_without_crls() -> None:
    """What was not checked is not said to be good."""
    admitted = Admitted("CN=alice", "", 1, "alice@example.test", None)
    read = Read(page(SelfCheck(Outcome.ALLOWED, NOW, presented(), admitted), REFERENCE))
    assert read.after(texts.REVOCATION) == texts.NOT_CHECKED
    assert read.after(texts.ISSUER) == texts.UNREADABLE


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.ALLOWED])
def test_who_is_refused(outcome: Outcome) -> None:
    """A category in words, the certificate's own names, its validity and the reference."""
    found = SelfCheck(outcome, NOW, presented(PrincipalName("alice@example.test")))
    read = Read(page(found, REFERENCE))
    words = texts.OUTCOMES[outcome]
    assert {words.headline, words.meaning, words.to_do, REFERENCE} <= {*read.texts}
    assert read.after(texts.USER_NAMES) == "alice@example.test"
    assert read.after(texts.VALIDITY_LABEL) == texts.VALIDITY[Validity.VALID]
    others = {texts.MAILBOX, texts.REVOCATION, texts.SUBJECT, texts.ISSUER, texts.SERIAL}
    assert others.isdisjoint(read.texts)
    assert outcome.name not in "".join(read.texts)


def test_a_certificate_that_cannot_be_read() -> None:
    """It is said so, and the reference is there all the same."""
    read = Read(page(SelfCheck(Outcome.NOT_TRUSTED, NOW, None), REFERENCE))
    assert read.after(texts.CERTIFICATE_HEADING) == texts.UNREADABLE
    assert REFERENCE in read.texts


def test_no_certificate_at_all() -> None:
    """There is nothing to show of it."""
    read = Read(page(SelfCheck(Outcome.NO_CERTIFICATE, NOW, None), REFERENCE))
    assert "No certificate was presented" in read.texts
    assert texts.CERTIFICATE_HEADING not in read.texts
    assert REFERENCE in read.texts


def test_no_names() -> None:
    """It is said that there are none."""
    read = Read(page(SelfCheck(Outcome.NAMES_NOBODY, NOW, presented()), REFERENCE))
    assert read.after(texts.NO_NAMES) == texts.NONE


def test_thousands_of_names() -> None:
    """Ten are shown, and how many more there are."""
    names = [Rfc822Name(f"a{number}@example.test") for number in range(5000)]
    source = page(SelfCheck(Outcome.NO_ACCESS, NOW, presented(*names)), REFERENCE)
    assert "and 4990 more" in Read(source).texts
    assert len(source) < 10_000


def _names() -> st.SearchStrategy[str]:
    odd = ["<", ">", '"', "'", "&", "</bdi>", "<script>", "&lt;", "-->", "]]>", "{0}", "%s"]
    parts = st.lists(st.sampled_from(odd) | st.text(max_size=5), min_size=1, max_size=5)
    whole = parts.map("".join).filter(lambda text: text.isprintable() and text == text.strip())
    return whole.filter(bool)


_PLAIN = Read(
    page(
        SelfCheck(Outcome.ALLOWED, NOW, presented(PrincipalName("a"), Rfc822Name("a")), ADMITTED),
        REFERENCE,
    )
)


@given(_names(), st.text())
def test_no_name_breaks_out(name: str, subject: str) -> None:
    """Whoever asks a CA for a certificate may choose its names: they are text and no markup."""
    admitted = Admitted(subject, subject, 1, name, NOW)
    names = presented(PrincipalName(name), Rfc822Name(name))
    read = Read(page(SelfCheck(Outcome.ALLOWED, NOW, names, admitted), REFERENCE))
    assert read.elements == _PLAIN.elements
    assert read.attributes == _PLAIN.attributes
    assert read.after(texts.USER_NAMES) == read.after(texts.ADDRESSES) == name
    assert read.after(texts.MAILBOX) == name


def test_the_policy_names_the_style_sheet_and_allows_nothing_else() -> None:
    """A browser takes the page's own style, no script, and nothing from elsewhere."""
    digest = base64.b64encode(hashlib.sha256(_PLAIN.style.encode()).digest()).decode()
    assert dict(FIELDS)[b"Content-Security-Policy"].decode().split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert not {"src", "href", "style", "onload"} & _PLAIN.attributes
    assert not {"script", "link", "img", "iframe", "form"} & {*_PLAIN.elements}
    assert "url(" not in _PLAIN.style


def test_the_page_is_kept_nowhere() -> None:
    """Neither by the browser nor by anybody on the way."""
    fields = dict(FIELDS)
    assert fields[b"Cache-Control"] == b"no-store"
    assert fields[b"X-Content-Type-Options"] == b"nosniff"
    assert fields[b"Referrer-Policy"] == b"no-referrer"


def test_narrow_screens_and_language() -> None:
    """A phone shows the page at its own width, and a screen reader knows how to read it."""
    source = page(SelfCheck(Outcome.LATER, NOW, None), REFERENCE).decode()
    assert source.startswith('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">')
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in source
