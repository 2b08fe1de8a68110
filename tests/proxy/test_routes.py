"""Request targets: what the mail server is to see of them."""

import pytest

from gateway.core.decision import Deny
from gateway.core.reasons import Reason
from gateway.errors import RequestError
from gateway.proxy.routes import PathRule, Route, Routes

_TARGET = b"/Microsoft-Server-ActiveSync?Cmd=Ping&User=a&DeviceId=d&DeviceType=t"


def test_the_path_is_left_out() -> None:
    """SOGo and others serve ActiveSync at a path of their own; the query stays."""
    route = Routes().find(b"POST", _TARGET, b"h")
    assert isinstance(route, Route)
    assert route.method == b"POST "
    assert route.rest == b"?Cmd=Ping&User=a&DeviceId=d&DeviceType=t HTTP/1.1\r\n"
    assert route.command == "Ping"


def test_options_may_have_no_query() -> None:
    """OPTIONS is a command by its method (MS-ASHTTP section 2.2.3)."""
    route = Routes().find(b"OPTIONS", b"/microsoft-server-activesync/", b"h")
    assert isinstance(route, Route)
    assert (route.method, route.rest) == (b"OPTIONS ", b" HTTP/1.1\r\n")
    assert route.command == "OPTIONS"


def test_another_path_is_denied() -> None:
    """PATH_NOT_ALLOWED, by whatever method."""
    route = Routes().find(b"GET", b"/owa/", b"h")
    assert isinstance(route, Deny)
    assert route.reason is Reason.PATH_NOT_ALLOWED


def test_another_method_is_not_implemented() -> None:
    """ActiveSync has two."""
    with pytest.raises(RequestError, match="GET is no method") as caught:
        Routes().find(b"GET", _TARGET, b"h")
    assert caught.value.status == 501


def test_a_target_is_read_once() -> None:
    """The same target has the same route; Host is a part of the question."""
    routes = Routes()
    first = routes.find(b"POST", b"http://h" + _TARGET, b"h")
    assert routes.find(b"POST", b"http://h" + _TARGET, b"h") is first
    with pytest.raises(RequestError):
        routes.find(b"POST", b"http://h" + _TARGET, b"other")


def test_memory_is_bounded() -> None:
    """A client that invents targets does not fill it."""
    routes = Routes()
    for number in range(5000):
        routes.find(b"POST", _TARGET + b"%d" % number, b"h")
    assert len(routes._known) <= 4096
    routes = Routes()
    for number in range(100):
        routes.find(b"GET", b"/" + b"x" * 8000 + b"%d" % number, b"h")
    assert routes._known == {}


class TestPathRules:
    """Paths beside ActiveSync's."""

    @pytest.mark.parametrize(
        ("target", "line"),
        [
            (b"/EWS/Exchange.asmx", b"POST /EWS/Exchange.asmx HTTP/1.1\r\n"),
            (b"/ews/?a=%41", b"POST /ews/?a=%41 HTTP/1.1\r\n"),
            (b"/EWS", b"POST /EWS HTTP/1.1\r\n"),
            (b"/%45WS/a", b"POST /EWS/a HTTP/1.1\r\n"),
        ],
    )
    def test_what_is_below_a_path_goes_on_as_it_was_read(self, target: bytes, line: bytes) -> None:
        """The mail server sees the path that was judged."""
        routes = Routes([PathRule("/EWS", None, "ews", below=True)])
        route = routes.find(b"POST", target, b"h")
        assert isinstance(route, Route)
        assert (route.method + (route.path or b"") + route.rest, route.command) == (line, "ews")
        assert route.request.user is None

    @pytest.mark.parametrize("target", [b"/EWSX", b"/EWS2/a", b"/", b"/a/EWS", b"/EW"])
    def test_whole_segments_match(self, target: bytes) -> None:
        """A path that only begins with the same letters is another one."""
        routes = Routes([PathRule("/EWS", None, "ews", below=True)])
        assert isinstance(routes.find(b"POST", target, b"h"), Deny)

    @pytest.mark.parametrize(
        "target", [b"/EWS/../owa", b"/EWS/%2e%2e/owa", b"/EWS%2Fa", b"/EWS//a"]
    )
    def test_a_path_with_two_meanings_has_none(self, target: bytes) -> None:
        """Dot segments, encoded slashes and empty segments are refused."""
        routes = Routes([PathRule("/EWS", None, "ews", below=True)])
        with pytest.raises(RequestError):
            routes.find(b"POST", target, b"h")

    @pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
    def test_methods_that_are_never_passed_on(self, method: bytes) -> None:
        """They ask the gateway itself for something (RFC 9110 sections 9.3.6, 9.3.8)."""
        routes = Routes([PathRule("/EWS", None, "ews", below=True)])
        with pytest.raises(RequestError) as caught:
            routes.find(method, b"/EWS", b"h")
        assert caught.value.status == 405

    def test_the_root(self) -> None:
        """A page at / is at / alone."""
        routes = Routes([PathRule("", frozenset((b"GET",)), "page")])
        assert isinstance(routes.find(b"GET", b"/", b"h"), Route)
        assert isinstance(routes.find(b"GET", b"/a", b"h"), Deny)
