"""The self-check page: what its holder may know of a certificate, as HTML for a phone's browser.

No script, nothing from elsewhere, one style sheet in the page that its policy names by hash.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from gateway.core.headers import Header
from gateway.core.names import PrincipalName, SanName
from gateway.core.self_check import Admitted, Outcome, Presented, SelfCheck
from gateway.proxy import self_check_texts as texts
from gateway.proxy.markup import Markup, element
from gateway.proxy.self_check_style import STYLE

_MOST_NAMES = 10
"""Of one kind that are shown: a certificate may have thousands."""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest())

FIELDS: Final[tuple[Header, ...]] = (
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Content-Language", texts.LANGUAGE.encode("ascii")),
    (b"Cache-Control", b"no-store"),
    (
        b"Content-Security-Policy",
        b"default-src 'none'; style-src 'sha256-%b'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'" % _STYLE_HASH,
    ),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
)
"""The header fields that belong to the page."""

_LOOKS = {Outcome.ALLOWED: "good", Outcome.LATER: "wait", Outcome.RESET: "wait"}


def page(found: SelfCheck, reference: str) -> bytes:
    """The page about `found`; `reference` is the id of the audit record that has the cause."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="robots", content="noindex"),
        element("title", f"{texts.OUTCOMES[found.outcome].headline} - {texts.TITLE}"),
        element("style", Markup(STYLE)),
    )
    body = element("body", element("main", *_parts(found, reference)))
    document = element("html", head, body, lang=texts.LANGUAGE)
    return f"<!DOCTYPE html>\n{document.source}\n".encode()


def _parts(found: SelfCheck, reference: str) -> Iterator[Markup]:
    words = texts.OUTCOMES[found.outcome]
    yield element("p", texts.TITLE, class_="title")
    yield element(
        "header",
        element("h1", words.headline),
        element("p", words.meaning),
        class_=_LOOKS.get(found.outcome, "bad"),
    )
    yield _section(texts.TO_DO_HEADING, element("p", words.to_do))
    yield _section(
        texts.HELP_DESK_HEADING,
        element("p", texts.READ_OUT, class_="soft"),
        element("p", f"{words.spoken} {texts.REFERENCE}:"),
        element("p", reference, class_="reference"),
        element("p", texts.CHECKED_AT.format(moment=_moment(found.at)), class_="soft"),
    )
    if found.presented is not None:
        rows = [*_mailbox(found.admitted), *_presented(found.presented), *_admitted(found.admitted)]
        yield _section(texts.CERTIFICATE_HEADING, element("dl", *_terms(rows)))
    elif found.outcome is not Outcome.NO_CERTIFICATE:
        yield _section(texts.CERTIFICATE_HEADING, element("p", texts.UNREADABLE))


_Row = tuple[str, list[str]]


def _presented(presented: Presented) -> Iterator[_Row]:
    upns = [one for one in presented.names if isinstance(one, PrincipalName)]
    addresses = [one for one in presented.names if not isinstance(one, PrincipalName)]
    if upns:
        yield texts.USER_NAMES, _values(upns)
    if addresses:
        yield texts.ADDRESSES, _values(addresses)
    if not presented.names:
        yield texts.NO_NAMES, [texts.NONE]
    yield texts.VALIDITY_LABEL, [texts.VALIDITY[presented.validity]]
    yield texts.NOT_BEFORE, [_moment(presented.not_before)]
    yield texts.NOT_AFTER, [_moment(presented.not_after)]


def _mailbox(admitted: Admitted | None) -> Iterator[_Row]:
    if admitted is not None:
        yield texts.MAILBOX, [admitted.mailbox]


def _admitted(admitted: Admitted | None) -> Iterator[_Row]:
    if admitted is None:
        return
    yield texts.REVOCATION, [_revocation(admitted.crl_of)]
    yield texts.SUBJECT, [admitted.subject]
    yield texts.ISSUER, [admitted.issuer or texts.UNREADABLE]
    yield texts.SERIAL, [f"{admitted.serial_number:x}"]


def _revocation(crl_of: datetime | None) -> str:
    if crl_of is None:
        return texts.NOT_CHECKED
    return texts.NOT_REVOKED.format(moment=_moment(crl_of))


def _values(names: Sequence[SanName]) -> list[str]:
    shown = [one.value for one in names[:_MOST_NAMES]]
    if len(names) > _MOST_NAMES:
        shown.append(texts.MORE.format(count=len(names) - _MOST_NAMES))
    return shown


def _terms(rows: list[_Row]) -> Iterator[Markup]:
    for label, values in rows:
        yield element("dt", label)
        for value in values:
            yield element("dd", element("bdi", value))


def _section(heading: str, *inside: Markup) -> Markup:
    return element("section", element("h2", heading), *inside)


def _moment(moment: datetime) -> str:
    return texts.MOMENT.format(
        day=moment.day,
        month=texts.MONTHS[moment.month - 1],
        year=moment.year,
        hour=moment.hour,
        minute=moment.minute,
    )
