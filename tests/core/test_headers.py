"""Header fields that pass the gateway, and those that do not."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.headers import (
    Header,
    RequestHeaderFilter,
    ResponseHeaderFilter,
    connection_tokens,
)

PASSING = [
    b"Content-Type",
    b"Content-Encoding",
    b"User-Agent",
    b"MS-ASProtocolVersion",
    b"MS-ASAcceptMultiPart",
    b"X-MS-PolicyKey",
    b"Accept",
    b"Accept-Language",
    b"Accept-Encoding",
    b"X-Push-Plugin",
    b"X-Apple-Config-Magic",
    b"Date",
    b"Cache-Control",
]
STRIPPED = b"""
Authorization Proxy-Authorization Client-Cert Client-Cert-Chain X-SSL-Client-Cert X-SSL-Whatever
SSL_CLIENT_CERT SSL-Client-S-DN SSL_CLIENT_S_DN_CN X-Client-Cert X-Client-Cert-Chain
X-ARR-ClientCert X-Forwarded-Client-Cert
X-Remote-User Remote-User X-Forwarded-User X-Forwarded-Email
X-Forwarded-Groups X-Authenticated-User x-webobjects-remote-user x_webobjects_remote_user
x-webobjects-auth-type X-MS-Client-Principal X-MS-Client-Principal-Name
X-CommonAccessToken X-IsFromCafe X-SourceCafeServer msExchProxyUri X-MSExchangeActivityCtx
return-client-request-id X-Backend-Diag-1 msExchLogonMailbox msExchLogonAccount X-FE-ClientIP
X-MS-EdgeIP X-WLID-MemberName X-Rps-CAT TestBackEndUrl X-AnchorMailbox X-BEResource
X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port Forwarded X-Real-IP Via Host
Connection Keep-Alive TE Trailer Transfer-Encoding Upgrade Proxy-Connection Proxy-Authenticate
Content-Length Expect HTTP2-Settings X-Original-URL X-Rewrite-URL X-HTTP-Method-Override
MS_ASProtocolVersion X.Remote.User Remote~User
""".split()
COOKIE = b"ClientId=1; X-BackEndCookie=a@b; lang=en"

names = st.sampled_from([*PASSING, *STRIPPED, b"X-Our-User"])
odd_case = st.builds(
    lambda name, change: change(name),
    names,
    st.sampled_from([bytes, bytes.lower, bytes.upper, bytes.swapcase, bytes.title]),
)


def passed(headers: list[Header], *identity_headers: bytes) -> list[Header]:
    """What a new request filter lets through."""
    return RequestHeaderFilter(identity_headers)(headers)


class TestRequest:
    """What a client may say to the mail server."""

    @pytest.mark.parametrize("name", STRIPPED, ids=bytes.decode)
    def test_stripped(self, name: bytes) -> None:
        """Identity, forwarding, hop-by-hop, framing and Exchange's own fields go."""
        for spelling in (name, name.lower(), name.upper(), name.swapcase()):
            assert passed([(spelling, b"1")]) == []

    def test_passing_in_order(self) -> None:
        """What the mail server needs passes unchanged, in order, doubled fields included."""
        headers = [(name, b"value") for name in (*PASSING, *PASSING)]
        assert passed(headers) == headers

    @pytest.mark.parametrize("sent", [b"X-Our-User", b"x_our_user", b"X-Our_User", b"X-OUR-USER"])
    @pytest.mark.parametrize("configured", [b"X-Our-User", b"x_our_user"])
    def test_identity_header_in_any_spelling(self, sent: bytes, configured: bytes) -> None:
        """The field by which the gateway names the user cannot be sent by a client."""
        assert passed([(sent, b"eve")], configured) == []

    def test_named_by_connection(self) -> None:
        """A field that Connection names belongs to this hop, from whichever Connection field."""
        headers = [
            (b"X-Hop", b"1"),
            (b"connection", b"close, x-hop"),
            (b"X-Stay", b"1"),
            (b"Connection", b"X-OTHER,,"),
            (b"x-other", b"2"),
        ]
        assert passed(headers) == [(b"X-Stay", b"1")]

    def test_connection_cannot_take_what_was_judged(self) -> None:
        """A client cannot make the server judge by less than the gateway did."""
        headers = [(name, b"value") for name in PASSING[:9]] + [(b"Cookie", b"a=b")]
        named = b", ".join(name for name, _ in headers)
        assert passed([(b"Connection", named), *headers]) == headers

    def test_usual_connection_costs_no_field(self) -> None:
        """Connection: keep-alive takes nothing but itself."""
        assert passed([(b"Connection", b"keep-alive"), (b"X-A", b"1")]) == [(b"X-A", b"1")]

    def test_cookies_pass(self) -> None:
        """Clients of 16.x must return cookies, so they pass as they are."""
        assert passed([(b"cookie", b"a=b;c=d")]) == [(b"cookie", b"a=b;c=d")]

    @pytest.mark.parametrize(
        ("value", "rest"),
        [
            (COOKIE, b"ClientId=1; lang=en"),
            (b"x-beresource=evil~1; a=b", b"a=b"),
            (b"a=b; X-AnonResource=true; X-AnonResource-Backend=evil/#", b"a=b"),
            (b"a=b, X-BEResource=evil; c=d", b"c=d"),
        ],
    )
    def test_internal_cookies_are_cut_out(self, value: bytes, rest: bytes) -> None:
        """Cookies that name a server inside Exchange go, wherever they stand."""
        assert passed([(b"Cookie", value)]) == [(b"Cookie", rest)]

    def test_cookie_field_of_internal_ones_only(self) -> None:
        """No empty Cookie field is left behind."""
        assert passed([(b"Cookie", b"X-BEResource=a; X-BackEndCookie=b")]) == []

    def test_verdicts_survive_many_invented_names(self) -> None:
        """A flood of names takes bounded memory and changes no verdict."""
        select = RequestHeaderFilter([b"X-Our-User"])
        flood = [(b"X-%d" % number, b"") for number in range(2000)]
        assert select(flood) == flood
        assert select([(b"X" * 4000, b"")]) == [(b"X" * 4000, b"")]
        assert len(select._verdicts) <= 512
        assert all(len(name) <= 64 for name in select._verdicts)
        assert select([(b"Host", b"a"), (b"X-Our-User", b"eve"), (b"Date", b"d")]) == [
            (b"Date", b"d")
        ]

    @given(st.lists(st.tuples(odd_case, st.just(b"1")), max_size=12))
    def test_only_passing_names_pass(self, headers: list[Header]) -> None:
        """Whatever letter case a name has, it passes if and only if it is one of the passing."""
        passing = {name.lower() for name in PASSING}
        expected = [header for header in headers if header[0].lower() in passing]
        assert passed(headers, b"X-Our-User") == expected

    @given(st.text(string.ascii_letters + string.digits + "-_.!~", min_size=1, max_size=20))
    def test_no_name_reads_like_the_identity_header(self, name: str) -> None:
        """No spelling that a CGI server folds into the identity header passes."""
        identity = "HTTP_" + name.upper().replace("-", "_")
        for spelling in (name, name.replace("-", "_"), name.replace("_", "-"), name.swapcase()):
            for out, _ in passed([(spelling.encode(), b"eve")], name.encode()):
                assert "HTTP_" + out.decode().upper().replace("-", "_") != identity


class TestResponse:
    """What the mail server may say to the phone."""

    def test_internal_names_and_challenges_are_stripped(self) -> None:
        """Challenges, hop-by-hop fields and the names of what is inside do not reach the phone."""
        stripped = b"""WWW-Authenticate Proxy-Authenticate Server X-Powered-By X-AspNet-Version
            X-BEServer X-FEServer X-CalculatedBETarget X-DiagInfo Connection Keep-Alive Trailer
            Transfer-Encoding Upgrade Content-Length Alt-Svc X-MS-Location
            X-BackEndHttpStatus""".split()
        select = ResponseHeaderFilter()
        for name in stripped:
            assert select([(name, b"1"), (name.upper(), b"1"), (name.lower(), b"1")]) == []

    def test_protocol_fields_pass(self) -> None:
        """What MS-ASHTTP defines passes, each Set-Cookie of its own."""
        kept = [
            (name, b"1")
            for name in b"""Content-Type Content-Encoding MS-Server-ActiveSync Set-Cookie Set-Cookie
            MS-ASProtocolVersions MS-ASProtocolCommands X-MS-RP Retry-After
            X-MS-ASThrottle X-MS-BackOffDuration Allow Public Date Cache-Control
            request-id""".split()
        ]
        assert ResponseHeaderFilter()(kept) == kept

    def test_named_by_connection(self) -> None:
        """A field that Connection names stays between gateway and mail server."""
        headers = [(b"Connection", b"x-hop"), (b"X-Hop", b"1"), (b"Date", b"d")]
        assert ResponseHeaderFilter()(headers) == [(b"Date", b"d")]


def test_connection_tokens() -> None:
    """Options of every Connection field are gathered in lower case, without empty ones."""
    headers = [
        (b"CONNECTION", b"Close , X-Hop,,"),
        (b"Date", b"upgrade"),
        (b"connection", b" TE\t"),
    ]
    assert connection_tokens(headers) == {b"close", b"x-hop", b"te"}
    assert connection_tokens([]) == frozenset()
