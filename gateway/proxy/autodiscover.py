"""Autodiscover: phones learn the gateway's URL, whoever knows the rest of the answer."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from gateway.config import Gateway
from gateway.core.autodiscover import (
    Found,
    read_answer,
    read_question,
    write_answer,
    write_error,
    write_question,
)
from gateway.core.autodiscover_json import PATH as JSON_PATH
from gateway.core.autodiscover_json import read_json_question, write_json_answer
from gateway.core.decision import Deny, judge_user
from gateway.core.headers import Header
from gateway.core.location import own_url
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import Reason
from gateway.core.target import parse_target
from gateway.errors import RequestError
from gateway.proxy.local import Asked, Discover, LocalAnswer, Outcome, Responder
from gateway.proxy.routes import PathRule
from gateway.proxy.upstreams import Upstreams

XML_PATH: Final = "/autodiscover/autodiscover.xml"
_COMMAND: Final = "Autodiscover"
_REQUEST_BYTES: Final = 16 * 1024
_OK: Final = 200
_NOT_KEPT: Final[Header] = (b"Cache-Control", b"no-store")
_XML: Final[tuple[Header, ...]] = ((b"Content-Type", b"text/xml; charset=utf-8"), _NOT_KEPT)
_JSON: Final[tuple[Header, ...]] = ((b"Content-Type", b"application/json"), _NOT_KEPT)


def autodiscover_rules(settings: Gateway, upstreams: Upstreams) -> tuple[PathRule, ...]:
    """The paths at which phones ask where their mail server is."""
    if settings.autodiscover == "off":
        return ()
    asks = partial(_answer, settings.public_url)
    if settings.autodiscover == "rewrite":
        asks = partial(_rewrite, settings.public_url, lambda url: upstreams.find(url) is not None)
    return (
        PathRule(
            path=XML_PATH,
            methods=frozenset((b"POST",)),
            command=_COMMAND,
            responder=Responder(asks, body_limit=_REQUEST_BYTES),
        ),
        PathRule(
            path=JSON_PATH,
            methods=frozenset((b"GET", b"HEAD")),
            command=_COMMAND,
            below=True,
            responder=Responder(partial(_answer_json, settings.public_url), denied_too=True),
        ),
    )


def _answer(public_url: str, asked: Asked) -> Outcome:
    """The gateway knows all that is to be said."""
    mailbox = _ask(asked)
    if not isinstance(mailbox, Mailbox):
        return mailbox
    found = Found(display_name=mailbox.upn, address=_address(mailbox))
    return LocalAnswer(_OK, _XML, write_answer(found, _eas_url(public_url, asked)))


def _rewrite(public_url: str, is_known: Callable[[str], bool], asked: Asked) -> Outcome:
    """The mail server says it, and the gateway says it after it, with its own URL."""
    mailbox = _ask(asked)
    if not isinstance(mailbox, Mailbox):
        return mailbox
    url = _eas_url(public_url, asked)
    reword = partial(_reword, mailbox, url, is_known)
    return Discover(write_question(_address(mailbox)), reword)


def _reword(
    mailbox: Mailbox, url: str, is_known: Callable[[str], bool], status: int, body: bytes
) -> LocalAnswer | Deny:
    found = read_answer(body, is_known) if status == _OK else f"its status is {status}"
    if isinstance(found, Found) and judge_user(mailbox, found.address) is not None:
        found = f"it is about {found.address}, not {mailbox.upn}"
    if isinstance(found, str):
        detail = f"the mail server's Autodiscover answer cannot be used: {found}"
        return Deny(Reason.UPSTREAM_UNAVAILABLE, detail)
    return LocalAnswer(_OK, _XML, write_answer(found, url))


def _ask(asked: Asked) -> Mailbox | LocalAnswer | Deny:
    """Whose mailbox a right question is about, which is that of the certificate."""
    if isinstance(asked.verdict, Deny):
        return asked.verdict
    question = read_question(asked.body)
    denial = judge_user(asked.verdict.mailbox, question.address)
    if denial is not None:
        return denial
    if question.error is not None:
        return LocalAnswer(_OK, _XML, write_error(question.error, datetime.now(UTC)))
    return asked.verdict.mailbox


def _answer_json(public_url: str, asked: Asked) -> Outcome:
    """The same for every address, and for whoever has no certificate; never the mail server's."""
    verdict = asked.verdict
    anonymous = isinstance(verdict, Deny) and verdict.reason is Reason.NO_CERTIFICATE
    if isinstance(verdict, Deny) and not anonymous:
        return verdict
    target = parse_target(asked.target, asked.head.single.get(b"host"))
    question = read_json_question(target)
    if question is None:
        if isinstance(verdict, Deny):
            return verdict
        return Deny(Reason.PATH_NOT_ALLOWED, f"the path {target.path} is not served")
    if not isinstance(verdict, Deny):
        denial = judge_user(verdict.mailbox, question.address)
        if denial is not None:
            return denial
    status, body = write_json_answer(question, _url(public_url, asked))
    return LocalAnswer(status, _JSON, body, close=anonymous)


def _address(mailbox: Mailbox) -> str:
    return mailbox.primary_address or mailbox.upn


def _eas_url(public_url: str, asked: Asked) -> str:
    return f"{_url(public_url, asked)}/Microsoft-Server-ActiveSync"


def _url(public_url: str, asked: Asked) -> str:
    url = own_url(public_url, asked.head.single.get(b"host"))
    if url is None:
        raise RequestError("there is no Host, and gateway.public_url is not set")
    return url
