"""What an HTTP status in place of an answer means, and what a status of ActiveSync does."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.probe.http_client import Response
from gateway.probe.step import Problem
from gateway.probe.wire import reference_of
from gateway.probe.words import place, printable

_LOCATION: Final = "Location"
_MARKUP: Final = (b"<!doctype html", b"<html")
_CERTIFICATE_WORDS: Final = b"ssl certificate"  # what nginx says with 400 about a client's
_LOOK_UP: Final = (
    "give this reference to whoever reads the gateway's log, or look it up with `eas-gateway audit"
    " list`; on the gateway's machine, -c CONFIG makes the probe do that"
)
_DENIED: Final = (
    "the gateway refuses this certificate or this request (403): the names in the certificate lead"
    " to no mailbox or a disabled one, the certificate is revoked or blocked, User is another's"
    " mailbox, or the device is not allowed"
)
_LATER: Final = (
    "the gateway cannot decide or serve now (503): no CRL in date for the certificate's CA, all of"
    " the user's sign-ins revoked until the next CRL, or the mail server behind it does not answer"
)


def http_problem(response: Response) -> Problem:
    """Why an answer other than 200 came."""
    reference = reference_of(response)
    if reference is not None:
        return _ours(response, reference)
    if response.status in _WORDS:
        return _WORDS[response.status](response)
    if response.status >= 500:  # noqa: PLR2004 (RFC 9110 section 15.6)
        cause = f"the server failed (HTTP {response.status})"
        return Problem(cause, "look at its log, and at what stands in front of it")
    return Problem(f"the server refuses (HTTP {response.status})", "look at the server's log")


def is_web_page(response: Response) -> bool:
    """Whether the answer is for browsers."""
    start = response.body[:64].lstrip().lower()
    kind = response.headers.get("Content-Type", "").lower()
    return kind.startswith("text/html") or start.startswith(_MARKUP)


def not_eas(response: Response, path: str) -> Problem:
    """A 200 that is no ActiveSync."""
    page = "a web page" if is_web_page(response) else "something else"
    cause = f"this is not an ActiveSync server: {path} answers with {page}, not with EAS versions"
    return Problem(cause, "correct host, port and path (usual: /Microsoft-Server-ActiveSync)")


def _ours(response: Response, reference: str) -> Problem:
    if response.status == 503:  # noqa: PLR2004 (Service Unavailable)
        after = response.headers.get("Retry-After")
        again = f"; phones come back by themselves after {printable(after)} s" if after else ""
        return Problem(f"{_LATER}{again}", _LOOK_UP, reference=reference)
    if response.status == 404:  # noqa: PLR2004 (Not Found)
        cause = "the gateway does not serve this path (404)"
        return Problem(cause, "use /Microsoft-Server-ActiveSync", reference=reference)
    if response.status == 403:  # noqa: PLR2004 (Forbidden)
        return Problem(_DENIED, _LOOK_UP, reference=reference)
    cause = f"the gateway refuses the request (HTTP {response.status})"
    return Problem(cause, _LOOK_UP, reference=reference)


def _bad_request(response: Response) -> Problem:
    if _CERTIFICATE_WORDS in response.body.lower():
        if b"no required" in response.body.lower():
            cause = "the server demands a client certificate and got none (HTTP 400)"
            return Problem(cause, "is the identity in the profile linked to the mailbox?")
        cause = (
            "the server refuses the device's certificate (HTTP 400, as nginx says it): its CA is"
            " not known there, or it is outside its validity, not for clients, or revoked"
        )
        return Problem(cause, "look at the server's error log, which says which of them")
    cause = "the server takes the request for malformed (HTTP 400)"
    advice = "is plain HTTP sent to a TLS port, or does something in between change the request?"
    return Problem(cause, advice)


def _password(response: Response) -> Problem:
    schemes = ", ".join(
        printable(one.partition(" ")[0], 20) for one in response.headers.getall(_CHALLENGE, [])
    )
    cause = (
        f"the server asks for a password (401{', ' + schemes if schemes else ''}): it does not"
        " sign in by certificate here"
    )
    advice = (
        "map client certificates to users on the server, or have the phones go through the"
        " gateway; a phone would ask its owner for a password"
    )
    return Problem(cause, advice)


def _not_found(response: Response) -> Problem:
    page = " with a web page" if is_web_page(response) else ""
    cause = f"this is not an ActiveSync server: the path is not there (404{page})"
    return Problem(cause, "correct host, port and path (usual: /Microsoft-Server-ActiveSync)")


def _elsewhere(response: Response) -> Problem:
    there = place(response.headers.get(_LOCATION, ""))
    cause = f"the server sends the phone to {there or 'another place'} (HTTP {response.status})"
    advice = "write that host into the profile; if it is a sign-in page, certificates are not used"
    return Problem(cause, advice)


def _moved(response: Response) -> Problem:
    there = place(response.headers.get("X-MS-Location", ""))
    cause = f"the mailbox is on another server, {there or 'which is not named'} (451)"
    return Problem(cause, "write that server's host into the profile")


def _of(cause: str, advice: str) -> Callable[[Response], Problem]:
    return lambda _: Problem(cause, advice)


_CHALLENGE: Final = "WWW-Authenticate"
_BEHIND = "start the mail server, or correct the address that the proxy has for it"
_WORDS: Final[Mapping[int, Callable[[Response], Problem]]] = MappingProxyType(
    {
        301: _elsewhere,
        302: _elsewhere,
        303: _elsewhere,
        307: _elsewhere,
        308: _elsewhere,
        400: _bad_request,
        401: _password,
        403: _of(
            (
                "the server refuses this user or device (403): not enabled for ActiveSync, the"
                " device blocked or in quarantine, or the certificate not mapped to a user"
            ),
            "look at the server's log and at the user's ActiveSync settings",
        ),
        404: _not_found,
        405: _of("this is not an ActiveSync server: it does not take POST and OPTIONS here (405)",
                 "correct host, port and path"),
        413: _of("the server takes no request of this size (413)", "raise its limit for bodies"),
        421: _of("the server serves another host name (421)", "correct the host in the profile"),
        429: _of("the server has had too many requests (429)", "wait, or raise its limit"),
        449: _of("the server wants its policy applied first (449)",
                 "have the device accept the policy; look at why Provision did not"),
        451: _moved,
        456: _of("the user's sign-in is blocked (456)", "unblock the user"),
        457: _of("the user's password has expired (457)", "change the password"),
        500: _of("the mail server failed (500)", "look at its log; for SOGo, is the user known?"),
        501: _of("the server does not know this command or method (501)", "is ActiveSync on?"),
        502: _of("what stands in front does not reach the mail server (502)", _BEHIND),
        503: _of("the server is busy, or what is behind it is down (503)", _BEHIND),
        504: _of("the mail server behind answers too late (504)", _BEHIND),
        507: _of("the mailbox is full (507)", "make room in it"),
    }
)  # fmt: skip

_EAS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        110: ("the mail server failed", "look at its log"),
        111: ("the mail server failed and wants a retry later", "look at its log"),
        113: ("the mailbox is full", "make room in it"),
        114: ("the mailbox's server is offline", "start it"),
        123: ("the user has no mailbox", "make one, or correct the user's name"),
        125: ("the mail server does not know the user", "correct the name that it is given"),
        126: ("ActiveSync is off for the user", "turn it on"),
        129: ("the device is blocked for this user", "allow it in the device rules"),
        130: ("the device or user may not do this", "look at the device and access rules"),
        131: ("the user is disabled", "enable the user"),
        138: ("the mail server does not speak this version", "use one that it announces"),
        139: ("the device cannot apply the policy", "allow devices that cannot"),
        140: ("a remote wipe of this device is asked for", "take it back, if it was not meant"),
        141: ("the device is too old for the policy", "allow such devices"),
        142: ("the device has not applied the policy", "look at why Provision did not succeed"),
        143: ("the policy has changed", "have the device provision again"),
        144: ("the policy key is not the device's", "have the device provision again"),
        177: ("the user has too many devices", "remove old ones, or raise the limit"),
    }
)


def eas_problem(command: str, status: int) -> Problem:
    """Why a command was answered with a status other than 1 (MS-ASCMD 2.2.2)."""
    cause, advice = _EAS.get(
        status, (f"{command} was not done", "look at MS-ASCMD 2.2.2 and the mail server's log")
    )
    return Problem(f"{cause} ({command} Status {status})", advice)
