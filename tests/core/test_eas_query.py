"""Queries of both forms: one reading, one writing, and what is refused."""

import re
import string
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.eas import EasRequest, QueryForm
from gateway.core.eas_query import MAX_QUERY_BYTES, encode_query, parse_query
from gateway.errors import RequestError

SPEC_PLAIN = b"Cmd=Sync&User=rmjones&DeviceId=v140Device&DeviceType=SmartPhone"
SPEC_BLOB = b"jAAJBAp2MTQwRGV2aWNlAApTbWFydFBob25l"
DEVICE = "&DeviceId=D1&DeviceType=SP"
BASE64_CHARACTERS = string.ascii_letters + string.digits + "+/"

pieces = st.sampled_from(
    ["Cmd", "cmd", "%43md", "User", "DeviceId", "DeviceType", "ItemId", "X", "User[]", ""]
)
values = st.sampled_from(["Sync", "ping", "a%40b", "a+b", "%", "%00", "D1", "", "a=b", "%ff", ";?"])


@st.composite
def plain_queries(draw: st.DrawFn) -> bytes:
    """Queries made of what matters to the plain form, good and bad."""
    parts = draw(st.lists(st.tuples(pieces, st.sampled_from(["=", ""]), values), max_size=6))
    return "&".join("".join(part) for part in parts).encode()


def parsed(query: str, method: bytes = b"POST") -> EasRequest:
    """Parse a query written as text."""
    return parse_query(query.encode("latin-1"), method=method)


def form_read(query: str) -> QueryForm:
    """Which form the parser takes the query for, whether or not it then refuses it."""
    try:
        return parsed(query, b"OPTIONS").query_form
    except RequestError as error:
        return QueryForm.BASE64 if "base64 query" in str(error) else QueryForm.PLAIN


class TestPlain:
    """Parameters by name."""

    def test_example_of_the_specification(self) -> None:
        """The example of MS-ASHTTP is read, and written as the same bytes."""
        request = parse_query(SPEC_PLAIN)
        assert request == EasRequest(
            command="Sync",
            user="rmjones",
            device_id="v140Device",
            device_type="SmartPhone",
            query_form=QueryForm.PLAIN,
        )
        assert encode_query(request) == SPEC_PLAIN

    def test_order_and_case_are_of_no_account(self) -> None:
        """Parameters are read by name in any case and order, and written in Microsoft's."""
        request = parsed("deviceid=D1&USER=a&dEVICEtYPE=SP&cmd=sYNC&itemid=5")
        assert encode_query(request) == b"Cmd=Sync&User=a&DeviceId=D1&DeviceType=SP&ItemId=5"

    def test_percent_encoded_name_is_the_name(self) -> None:
        """A name may be percent-encoded; it is written without."""
        request = parsed("Cmd=Sync&%55ser=bob" + DEVICE)
        assert request.user == "bob"
        assert encode_query(request).startswith(b"Cmd=Sync&User=bob&")

    @pytest.mark.parametrize(
        "twice",
        [
            "User=a&User=a",
            "User=a&uSER=b",
            "User=a&%55ser=b",
            "User=&User=b",
            "Cmd=Sync&cmd=Ping",
            "DeviceId=D1&deviceid=D2",
            "ItemId=1&itemid=1",
            "X-New=1&x-nEW=1",
        ],
    )
    def test_doubled_name_is_refused(self, twice: str) -> None:
        """Servers differ in which of two equal names counts, whatever they are spelled like."""
        with pytest.raises(RequestError, match="twice"):
            parsed(twice)

    @pytest.mark.parametrize("name", ["User[]", "User%00", "%2555ser", "", "a.b", "X" * 65, "é"])
    def test_odd_name_is_refused(self, name: str) -> None:
        """A name that a server might bend into a known one is refused."""
        with pytest.raises(RequestError):
            parsed(f"Cmd=Sync{DEVICE}&{name}=a")

    def test_user_is_decoded_once(self) -> None:
        """Percent-encoding over UTF-8 is taken off once, not twice."""
        assert parsed("Cmd=Sync&User=D%5Cj%C3%BCrg%2540" + DEVICE).user == "D\\jürg%40"

    def test_plus_is_a_plus(self) -> None:
        """A raw plus in User is a plus, and is sent on so that no server takes it for a space."""
        request = parsed("Cmd=Sync&User=a+tag%20b%2Bc" + DEVICE)
        assert request.user == "a+tag b+c"
        assert b"User=a%2Btag%20b%2Bc&" in encode_query(request)

    def test_empty_user_is_no_user(self) -> None:
        """An empty User says nothing and is not sent on."""
        request = parsed("Cmd=Sync&User=" + DEVICE)
        assert request.user is None
        assert b"User" not in encode_query(request)

    def test_other_values_are_passed_as_spelled(self) -> None:
        """A command's own values reach the server in the client's spelling."""
        query = "Cmd=SmartReply&User=a&DeviceId=D1&DeviceType=SP&ItemId=5%3a1+2=&LongId=%c3%BC&New="
        request = parsed(query)
        assert request.parameters == (("ItemId", "5%3a1+2="), ("LongId", "%c3%BC"), ("New", ""))
        assert encode_query(request) == query.encode()

    def test_characters_that_cut_a_query_are_encoded(self) -> None:
        """SOGo reads after the last question mark, others split at `;`: neither goes raw."""
        request = parsed("Cmd=Sync&ItemId=1;User=eve?Cmd=Ping" + DEVICE)
        assert request.parameters == (("ItemId", "1%3BUser=eve%3FCmd=Ping"),)

    @pytest.mark.parametrize(
        ("query", "sentence"),
        [
            ("Cmd=Sync&User=%4" + DEVICE, "hexadecimal"),
            ("Cmd=Sync&User=%zz" + DEVICE, "hexadecimal"),
            ("Cmd=Sync&User=% 1" + DEVICE, "space"),
            ("Cmd=Sync&ItemId=%" + DEVICE, "hexadecimal"),
            ("Cmd=Sync&User=a%00" + DEVICE, "control"),
            ("Cmd=Sync&ItemId=%0d%0aX:" + DEVICE, "control"),
            ("Cmd=Sync&User=%C2%85" + DEVICE, "control"),
            ("Cmd=Sync&User=%ff" + DEVICE, "UTF-8"),
            ("Cmd=Sync&User=%C0%80" + DEVICE, "UTF-8"),
            ("Cmd=Sync&User=a\x00" + DEVICE, "control"),
            ("Cmd=Sync&User=a\x7f" + DEVICE, "control"),
            ("Cmd=Sync&User=a#b" + DEVICE, "fragment"),
            ("Cmd=Sync&User=\xfc" + DEVICE, "ASCII"),
            ("Cmd=Synk" + DEVICE, "Cmd names no command"),
            ("Cmd=" + DEVICE, "Cmd names no command"),
            ("Cmd=Sync&DeviceId=&DeviceType=SP", "DeviceId is not"),
            ("Cmd=Sync&DeviceId=a,b&DeviceType=SP", "DeviceId is not"),
            ("Cmd=Sync&DeviceId=" + "a" * 65, "DeviceId is not"),
            ("Cmd=Sync&DeviceId=D1&DeviceType=%C3%BC", "DeviceType is not"),
            ("Cmd=Sync&DeviceId=D1&DeviceType=" + "a" * 65, "DeviceType is not"),
            ("Cmd=Sync&&DeviceId=D1", "no name=value"),
            (SPEC_BLOB.decode() + "&Cmd=Sync&DeviceId=D1", "both forms"),
            ("Cmd=Sync&DeviceId=D1&" + SPEC_BLOB.decode(), "both forms"),
            ("User=bob&DeviceId=D1", "names no Cmd"),
            ("Cmd=Sync&User=bob", "names no Cmd or no DeviceId"),
            ("Cmd=Sync", "one parameter"),
            ("Cmd=Sync&User=", "one parameter"),
            ("", "names no Cmd"),
            ("Cmd=Sync&ItemId=" + "a" * MAX_QUERY_BYTES + DEVICE, "longer than"),
        ],
    )
    def test_refused(self, query: str, sentence: str) -> None:
        """A query of no or two meanings is refused with a sentence that says why."""
        with pytest.raises(RequestError, match=sentence):
            parsed(query)

    def test_device_type_may_be_empty_or_absent(self) -> None:
        """A device may name no type, which is not the same as not naming it."""
        assert parsed("Cmd=Sync&DeviceId=D1&DeviceType=").device_type == ""
        assert parsed("Cmd=Sync&DeviceId=D1").device_type is None


class TestOptions:
    """Discovery, which needs no query."""

    def test_needs_no_query(self) -> None:
        """OPTIONS may come without a query, and goes on without."""
        request = parse_query(b"", method=b"OPTIONS")
        assert request == EasRequest()
        assert encode_query(request) == b""

    def test_may_name_its_user_and_device_alone(self) -> None:
        """OPTIONS with a query needs no command in it, and may have one of its own."""
        assert parsed("User=a&DeviceId=D1", b"OPTIONS").command is None
        assert parsed("Cmd=Options&User=a", b"OPTIONS").command == "OPTIONS"

    @pytest.mark.parametrize("command", ["OPTIONS", "options", "%4FPTIONS"])
    def test_is_no_command_of_a_post(self, command: str) -> None:
        """It is let through whatever the device, and its body would be, too."""
        with pytest.raises(RequestError, match="a method of its own"):
            parsed(f"Cmd={command}&User=a&DeviceId=D1")


class TestForm:
    """How the two forms are told apart."""

    @pytest.mark.parametrize("query", ["Cmd", "Cmd=", "User==", "AAAA", "%2b%2F%3d"])
    def test_padding_alone_does_not_make_it_plain(self, query: str) -> None:
        """What is base64 up to its padding is base64, and refused if it is no request."""
        with pytest.raises(RequestError, match="base64 query"):
            parsed(query)

    @given(st.text(BASE64_CHARACTERS, min_size=1), st.sampled_from(["", "=", "=="]))
    def test_base64_alphabet_is_base64(self, text: str, padding: str) -> None:
        """Whatever is of the base64 alphabet alone is never read as plain parameters."""
        assert form_read(text + padding) is QueryForm.BASE64

    @given(st.text(string.printable[:94], max_size=60))
    def test_every_other_query_is_plain(self, text: str) -> None:
        """The rule of the module, restated: the base64 alphabet, padding last, or it is plain."""
        bare = re.sub(r"%2[BbFf]|[A-Za-z0-9+/]", "A", text)
        bare = re.sub(r"%3[Dd]", "=", bare)
        is_base64 = bare.startswith("A") and bare.rstrip("=").strip("A") == ""
        assert (form_read(text) is QueryForm.BASE64) == is_base64


class TestEveryQuery:
    """What holds for every query."""

    @given(st.one_of(st.binary(max_size=80), plain_queries()))
    def test_has_one_meaning_or_is_refused(self, query: bytes) -> None:
        """Any bytes give one request that reads back from what is sent on, or one named error."""
        try:
            request = parse_query(query, method=b"OPTIONS")
        except RequestError:
            return
        sent = encode_query(request)
        assume(len(sent) <= MAX_QUERY_BYTES)
        assert parse_query(sent, method=b"OPTIONS") == request
        assert encode_query(parse_query(sent, method=b"OPTIONS")) == sent

    @given(st.text(min_size=1, max_size=60).filter(lambda user: user.isprintable()))
    def test_any_user_is_sent_as_it_is(self, user: str) -> None:
        """A User put in place of another one is what the server will read, in either form."""
        for query in (SPEC_PLAIN, SPEC_BLOB):
            request = replace(parse_query(query), user=user)
            assert parse_query(encode_query(request)) == request

    @given(st.permutations([f"Cmd=Sync{DEVICE}", "User=alice", "ItemId=1"]))
    def test_order_gives_the_same_user(self, parts: list[str]) -> None:
        """No order of the parameters hides the User."""
        assert parsed("&".join(parts)).user == "alice"
