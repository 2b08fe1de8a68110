"""Names as text, and the same names in certificates."""

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.distinguished_name import digest, parse_name, read_name
from gateway.errors import DirectoryError

CN, ORG, OU, DC = "2.5.4.3", "2.5.4.10", "2.5.4.11", "0.9.2342.19200300.100.1.25"
ATTRIBUTE = x509.NameAttribute


class TestParse:
    """`parse_name`."""

    def test_root_first(self) -> None:
        """The order is that of the text, and blanks round a part do not count."""
        wanted = (((DC, "com"),), ((DC, "contoso"),), ((CN, "alice"),))
        assert parse_name("DC=com,DC=contoso,CN=Alice") == wanted
        assert parse_name(" dc = com , DC=contoso,  cn=  alice ") == wanted
        assert parse_name("CN=Alice,DC=contoso,DC=com") != wanted

    @pytest.mark.parametrize(
        "text",
        [
            r"CN=Smith\, Alice + OU=R&D",
            r'OU="R&D"+CN="Smith, Alice"',
            r"OID.2.5.4.3=Smith\2C  alice+2.5.4.11=r&d",
            r"ou=R&D + cn=smith\, ALICE",
        ],
    )
    def test_ways_of_writing_one_name(self, text: str) -> None:
        """RFC 4514's escapes, Windows' quotes, OIDs, and any order inside a relative name."""
        assert parse_name(text) == (((OU, "r&d"), (CN, "smith, alice")),)

    def test_quotes_and_characters_of_several_octets(self) -> None:
        """Windows doubles a quote; RFC 4514 may write each octet of a character."""
        assert parse_name('CN="Alice ""Al"" Smith"') == (((CN, 'alice "al" smith'),),)
        assert parse_name(r"CN=Zo\C3\AB\C3\A9") == (((CN, "zoëé"),),)
        assert parse_name(r"CN=\#1,O=a=b") == (((CN, "#1"),), ((ORG, "a=b"),))

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "has no TYPE=VALUE at ''"),
            ("Alice", "has no TYPE=VALUE at 'Alice'"),
            ("CN=a,", "has no TYPE=VALUE at ''"),
            ("CN=a;O=b", "has no TYPE=VALUE at 'CN=a;O=b'"),
            ("CN=a<S>", "has no TYPE=VALUE at"),
            ('CN="a', "has no TYPE=VALUE at"),
            ('CN="a"b', "has no TYPE=VALUE at"),
            (r'CN="a\"', "has no TYPE=VALUE at"),
            ("CN=a\\", "has no TYPE=VALUE at"),
            ("2=a", "has no TYPE=VALUE at"),
            ("CX=a", "has the attribute type 'CX', which is not known"),
            ("CN=#0c0161", "has a value in hexadecimal"),
            (r"CN=\ff", "is not UTF-8"),
        ],
    )
    def test_no_name(self, text: str, problem: str) -> None:
        """What is wrong is said."""
        with pytest.raises(DirectoryError) as caught:
            parse_name(text)
        assert problem in str(caught.value)

    def test_less_is_folded_than_people_may_expect(self) -> None:
        """ASCII case and blanks alone: KELVIN SIGN is no k, and Ä is not ä."""
        assert parse_name("CN=\u212aim") != parse_name("CN=kim")
        assert parse_name("CN=Ä") != parse_name("CN=ä")
        assert parse_name("CN=A  B") == parse_name("CN=a b")

    @given(st.text(alphabet='CNO=,+;<>"\\ #a1.\u00e4', max_size=40))
    def test_any_text(self, text: str) -> None:
        """It is a name with at least one attribute, or refused."""
        try:
            name = parse_name(text)
        except DirectoryError:
            return
        assert all(rdn for rdn in name)
        assert name


VALUE = st.text(min_size=1, max_size=12).filter(lambda text: bool(text.strip(" ")))
PART = st.tuples(
    st.sampled_from([("CN", NameOID.COMMON_NAME), ("O", NameOID.ORGANIZATION_NAME)]), VALUE
)


def escaped(value: str) -> str:
    """`value` as RFC 4514 section 2.4 may write it."""
    return "".join(f"\\{octet:02x}" for octet in value.encode())


def quoted(value: str) -> str:
    """`value` as Windows writes it, or escaped where that would be ambiguous."""
    odd = "\\" in value
    return escaped(value) if odd else '"' + value.replace('"', '""') + '"'


class TestRead:
    """`read_name`."""

    def test_a_multi_valued_name(self) -> None:
        """The order inside a relative name does not count, the string type neither."""
        common_name = ATTRIBUTE(NameOID.COMMON_NAME, "Alice  B ")
        unit = ATTRIBUTE(NameOID.ORGANIZATIONAL_UNIT_NAME, "x")
        one = x509.Name([x509.RelativeDistinguishedName([common_name, unit])])
        assert read_name(one) == parse_name("OU=x+CN=alice b")

    def test_bits(self) -> None:
        """A value that is no text is equal to no text."""
        bits = ATTRIBUTE(NameOID.X500_UNIQUE_IDENTIFIER, b"\xab", x509.name._ASN1Type.BitString)
        assert read_name(x509.Name([bits])) == ((("2.5.4.45", "#ab"),),)

    @given(st.lists(PART, min_size=1, max_size=4))
    def test_what_is_written_is_read(
        self, parts: list[tuple[tuple[str, x509.ObjectIdentifier], str]]
    ) -> None:
        """A name in a certificate and the same name as text are equal, however it is written."""
        try:
            name = x509.Name([ATTRIBUTE(oid, value) for (_, oid), value in parts])
        except ValueError:  # longer than X.520 allows, or no UTF-8
            return
        for write in (escaped, quoted):
            text = ",".join(f"{keyword}={write(value)}" for (keyword, _), value in parts)
            assert parse_name(text) == read_name(name)


def test_digests_are_equal_only_for_equal_names() -> None:
    """Where one name or value ends is part of it."""
    names = [parse_name(text) for text in ("CN=a,CN=b", "CN=a+CN=b", r"CN=a\,CN=b")]
    digests = {digest(one) for one in names} | {digest(names[0], names[1]), digest()}
    assert len(digests) == 5
    assert digest(parse_name("cn=A,CN=b")) in digests
