"""GET / is answered with the self-check page, whatever the verdict about the certificate is.

The status is the one that ActiveSync would get: a script, and whoever watches the gateway, sees a
refusal as one. A browser shows the page with each of them.
"""

from typing import Final

from gateway.core.decision import Deny
from gateway.core.headers import Header
from gateway.core.reasons import ANSWERS
from gateway.proxy.local import Asked, LocalAnswer, Responder
from gateway.proxy.routes import PathRule
from gateway.proxy.self_check_page import FIELDS, page

_OK: Final = 200


def _respond(asked: Asked) -> LocalAnswer:
    found = asked.holder.self_check()
    reference = asked.holder.record(asked.verdict, asked.about)
    fields: tuple[Header, ...] = (*FIELDS, (b"X-Gateway-Reference", reference.encode("ascii")))
    body = page(found, reference)
    if not isinstance(asked.verdict, Deny):
        return LocalAnswer(_OK, fields, body)
    answers = ANSWERS[asked.verdict.reason]
    if answers.retry_after is not None:
        fields += ((b"Retry-After", b"%d" % answers.retry_after),)
    return LocalAnswer(answers.status, fields, body, close=answers.close)


SELF_CHECK: Final = PathRule(
    path="",
    methods=frozenset((b"GET", b"HEAD")),
    command="SelfCheck",
    responder=Responder(_respond, denied_too=True),
)
"""For the path `/` alone."""
