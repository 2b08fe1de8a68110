"""No query lets a mail server see another user, device or command than the gateway saw."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.eas import COMMAND_CODES, EasRequest, QueryForm
from gateway.core.eas_query import encode_query, parse_query
from gateway.errors import RequestError
from tests.core.query_readers import READERS, Seen

ALICE, EVE = "alice@example.com", "eve@example.com"
REST = "&DeviceId=D1&DeviceType=SP"


def blob(*parameters: tuple[int, bytes], command: int = 0) -> str:
    """A base64 query of the device D1 with these parameters."""
    fields = b"".join(bytes((len(field),)) + field for field in (b"D1", b"", b"SP"))
    rest = b"".join(bytes((tag, len(value))) + value for tag, value in parameters)
    return base64.b64encode(bytes((141, command, 9, 4)) + fields + rest).decode()


def understood(name: str, query: bytes) -> Seen:
    """What the mail server called `name` sees in a query."""
    return READERS[name](query.decode("ascii"))


def expected(name: str, request: EasRequest) -> Seen:
    """What it must see: the gateway's reading, in the server's own way of writing it."""
    user, device = request.user, request.device_id
    if request.query_form is QueryForm.BASE64 and device is not None:
        device = device if request.device_id_is_hex else device.encode().hex()
    if name == "Z-Push" and request.query_form is QueryForm.BASE64 and user is not None:
        user = user.rstrip(" \t\r\n\0")
    if name == "Z-Push" and request.query_form is QueryForm.PLAIN and device is not None:
        device = "".join(one for one in device if one.isalnum()).lower() or None
    return Seen(request.command, user, device)


def seen_alike(query: bytes) -> EasRequest | None:
    """What the gateway read, after each mail server saw the same; None if it refused the query."""
    try:
        request = parse_query(query)
    except RequestError:
        return None
    sent = encode_query(request)
    for name in READERS:
        assert understood(name, sent) == expected(name, request), name
    return request


QUERIES = (f"Cmd=Sync&User={EVE}{REST}", blob((8, EVE.encode())))

ATTACKS = [
    # Doubled, in one spelling or more.
    f"Cmd=Sync&User={ALICE}&User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&user={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&%55ser={EVE}{REST}",
    f"Cmd=Sync&User=&User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&User[]={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&User%5B0%5D={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&User%00={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&+User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&%20User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&%u0055ser={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&DeviceId=D2{REST}",
    f"Cmd=Sync&cMD=Ping&User={ALICE}{REST}",
    # Other separators, and the mark that SOGo looks for.
    f"Cmd=Sync;User={EVE}&User={ALICE}{REST}",
    f"Cmd=Sync&User={ALICE};User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&ItemId=1;User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&ItemId=1?Cmd=Ping&x=1;User={EVE}{REST}",
    f"Cmd=Sync&ItemId=1?User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&x=?User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}%26User%3D{EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&amp;User={EVE}{REST}",
    f"Cmd=Sync&User={ALICE}&ItemId=%26User%3D{EVE}{REST}",
    # Encodings of one character or two.
    "Cmd=Sync&User=alice%2540example.com" + REST,
    "Cmd=Sync&User=%ff%40example.com" + REST,
    "Cmd=Sync&User=%c0%80eve" + REST,
    "Cmd=Sync&User=%u0065ve" + REST,
    "Cmd=Sync&User=eve+alice" + REST,
    "Cmd=Sync&User=eve%2Balice" + REST,
    "Cmd=Sync&User=eve%20" + REST,
    "Cmd=Sync&User=eve%00alice" + REST,
    "Cmd=Sync&User=eve%0d%0aX-User:%20alice" + REST,
    # Over-long.
    f"Cmd=Sync&User={'a' * 5000}{REST}",
    f"Cmd=Sync&User={ALICE}&{'&'.join(f'a{number}=' for number in range(1100))}&User={EVE}{REST}",
    # Base64, and both forms at once.
    blob((8, ALICE.encode()), (8, EVE.encode())),
    blob((8, ALICE.encode())) + f"&User={EVE}&Cmd=Sync{REST}",
    f"Cmd=Sync&User={EVE}{REST}&" + blob((8, ALICE.encode())),
    f"Cmd=Sync&User={EVE}{REST}?" + blob((8, ALICE.encode())),
    blob((8, ALICE.encode())) + f"?Cmd=Sync&User={EVE}{REST}",
    blob((3, b"1"), (8, ALICE.encode()))[:-4] + "AAAA",
    blob((3, b"\x08\x03eve"), (8, ALICE.encode())),
    blob((8, b"eve\0")),
    blob((8, b"eve ")),
    blob((8, b"a" * 255)),
    "Cmd=",
    "User=" + EVE,
]


@pytest.mark.parametrize("query", ATTACKS)
def test_attack_leads_nowhere(query: str) -> None:
    """Each attempt is refused, or every mail server sees the user that the gateway saw."""
    seen_alike(query.encode())


@pytest.mark.parametrize("query", [one for one in ATTACKS if "alice@" in one and "eve@" in one])
def test_alice_never_passes_eve(query: str) -> None:
    """What names both is refused, or the one who is judged is the one who is sent."""
    request = seen_alike(query.encode())
    if request is not None:
        sent = encode_query(replace(request, user=ALICE))
        assert {understood(name, sent).user for name in READERS} == {ALICE}


names = st.sampled_from(
    [
        "User",
        "user",
        "USER",
        "%55ser",
        "User[]",
        "User.",
        "+User",
        "User%00",
        "Us%65r",
        "x",
        "ItemId",
    ]
)
users = st.sampled_from(
    [ALICE, EVE, "alice%40example.com", "a+b", "a%2Bb", "a%20b", "a%2540b", "D%5Ceve", "%C3%BC", ""]
)
pieces = st.one_of(
    st.builds("{}={}".format, names, users),
    st.sampled_from(
        ["Cmd=Sync", "cmd=ping", "DeviceId=D1", "deviceid=d2", "DeviceType=SP", "x=1?User=eve"]
    ),
    st.builds(blob, st.tuples(st.sampled_from([3, 8]), st.binary(max_size=6))),
)
separators = st.sampled_from(["&"] * 12 + [";", "?", "&&", "%26"])


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    """Pieces that matter to a reading, in any order and number, joined by what may part them."""
    drawn = draw(st.lists(pieces, max_size=3))
    if draw(st.booleans()):
        drawn = draw(st.permutations([*drawn, "Cmd=Sync", "DeviceId=D1"]))
    first, *others = drawn or [""]
    return "".join([first, *(draw(separators) + piece for piece in others)]).encode()


class TestEveryQuery:
    """What holds for whatever is accepted."""

    @given(queries())
    def test_plain_and_mixed(self, query: bytes) -> None:
        """Every server sees the user, device and command that the gateway saw."""
        seen_alike(query)

    @given(
        st.lists(st.tuples(st.sampled_from([0, 1, 3, 4, 6, 8]), st.binary(max_size=8)), max_size=4),
        st.sampled_from(sorted(COMMAND_CODES)),
    )
    def test_base64(self, parameters: list[tuple[int, bytes]], command: int) -> None:
        """The same for blobs, whatever their parameters hold."""
        seen_alike(blob(*parameters, command=command).encode())

    @given(st.text(min_size=1, max_size=40).filter(str.isprintable), st.sampled_from(QUERIES))
    def test_user_put_in_place(self, user: str, query: str) -> None:
        """A mailbox that the gateway writes over the user is what every server sees, and no more.

        Z-Push alone drops white space at the end of a base64 user, and no mailbox ends so.
        """
        request = replace(parse_query(query.encode()), user=user)
        sent = encode_query(request)
        for name in READERS:
            assert understood(name, sent) == expected(name, request), name


def test_the_readers_differ() -> None:
    """The servers would see different users if queries were sent on as they come."""
    query = "Cmd=Sync&User=a+b&user=c;User=d" + REST
    assert len({read(query).user for read in READERS.values()}) == 5
