"""Why a request is refused, and what its client gets: one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from types import MappingProxyType

RETRY_AFTER_SECONDS = 60
_SERVICE_UNAVAILABLE = 503


class Reason(StrEnum):
    """A denial's name, as logs, metrics and `explain` show it."""

    @staticmethod
    def _generate_next_value_(name: str, *_others: object) -> str:
        return name

    UNTRUSTED_CHAIN = auto()
    OUTSIDE_VALIDITY = auto()
    NOT_CLIENT_AUTH = auto()
    WEAK_KEY = auto()
    NO_CERTIFICATE = auto()
    NO_USABLE_SAN = auto()
    AMBIGUOUS_SAN = auto()
    CERTIFICATE_BLOCKED = auto()
    CERTIFICATE_REVOKED = auto()
    REVOCATION_UNKNOWN = auto()
    UNKNOWN_MAILBOX = auto()
    MAILBOX_DISABLED = auto()
    BEFORE_TOKEN_VALID_FROM = auto()
    CRL_OLDER_THAN_TOKEN_VALID_FROM = auto()
    USER_MISMATCH = auto()
    DEVICE_BLOCKED = auto()
    DEVICE_QUARANTINED = auto()
    DEVICE_LIMIT = auto()
    DEVICE_OF_ANOTHER_MAILBOX = auto()
    COMMAND_NOT_ALLOWED = auto()
    PROTOCOL_VERSION_NOT_ALLOWED = auto()
    AUTHORIZATION_NOT_ALLOWED = auto()
    PATH_NOT_ALLOWED = auto()
    STATE_UNAVAILABLE = auto()
    UPSTREAM_UNAVAILABLE = auto()
    OVERLOADED = auto()
    TOO_MANY_REQUESTS = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client of a refused request gets.

    Attributes:
        status: the HTTP status. Never 401: a phone would ask its owner for a password. 401, 403 and
            500 make phones run Autodiscover (MS-ASHTTP section 3.1.5.2.1), so what passes is 503.
        close: whether the connection ends with the answer.
    """

    status: int
    close: bool = False

    @property
    def retry_after(self) -> int | None:
        """Seconds for the Retry-After header; None where coming back changes nothing."""
        return RETRY_AFTER_SECONDS if self.status == _SERVICE_UNAVAILABLE else None


_FORBIDDEN = Answer(403)
_FORBIDDEN_FOR_GOOD = Answer(403, close=True)
_LATER = Answer(_SERVICE_UNAVAILABLE)
_LATER_ANEW = Answer(_SERVICE_UNAVAILABLE, close=True)

ANSWERS: Mapping[Reason, Answer] = MappingProxyType(
    {
        # TLS finds these before any HTTP; here they have come true on a living connection.
        Reason.UNTRUSTED_CHAIN: _FORBIDDEN_FOR_GOOD,
        Reason.OUTSIDE_VALIDITY: _FORBIDDEN_FOR_GOOD,
        Reason.NOT_CLIENT_AUTH: _FORBIDDEN_FOR_GOOD,
        Reason.WEAK_KEY: _FORBIDDEN_FOR_GOOD,
        Reason.NO_CERTIFICATE: _FORBIDDEN_FOR_GOOD,
        Reason.NO_USABLE_SAN: _FORBIDDEN,
        Reason.AMBIGUOUS_SAN: _FORBIDDEN,
        Reason.CERTIFICATE_BLOCKED: _FORBIDDEN,
        Reason.CERTIFICATE_REVOKED: _FORBIDDEN,
        Reason.REVOCATION_UNKNOWN: _LATER,
        Reason.UNKNOWN_MAILBOX: _FORBIDDEN,
        Reason.MAILBOX_DISABLED: _FORBIDDEN,
        Reason.BEFORE_TOKEN_VALID_FROM: _LATER_ANEW,
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM: _LATER_ANEW,
        Reason.USER_MISMATCH: _FORBIDDEN,
        Reason.DEVICE_BLOCKED: _FORBIDDEN,
        Reason.DEVICE_QUARANTINED: _FORBIDDEN,
        Reason.DEVICE_LIMIT: _FORBIDDEN,
        Reason.DEVICE_OF_ANOTHER_MAILBOX: _FORBIDDEN,
        Reason.COMMAND_NOT_ALLOWED: _FORBIDDEN,
        Reason.PROTOCOL_VERSION_NOT_ALLOWED: _FORBIDDEN,
        Reason.AUTHORIZATION_NOT_ALLOWED: _FORBIDDEN,
        Reason.PATH_NOT_ALLOWED: Answer(404),
        # Nobody is refused by these: the gateway could not find out, or cannot serve.
        Reason.STATE_UNAVAILABLE: _LATER,
        Reason.UPSTREAM_UNAVAILABLE: _LATER,
        Reason.OVERLOADED: _LATER,
        # A limit of the device or the mailbox; its denial says when there is room again.
        Reason.TOO_MANY_REQUESTS: _LATER,
    }
)
