"""The text forms of certificateUserIds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.certificate_user_id import user_ids_problem, value_key
from gateway.errors import DirectoryError

DN = "DC=com,DC=contoso,CN=CA"
HASH = "ab" * 20


class TestKey:
    """`value_key`."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("X509:<PN>bob@woodgrove", "X509:<PN>BOB@Woodgrove"),
            ("X509:<RFC822>bob@x.test", "X509:<RFC822>Bob@x.test"),
            ("X509:<SKI>c6f4e9", "X509:<SKI>C6 F4 E9"),
            (f"X509:<SHA1-PUKEY>{HASH}", f"X509:<SHA1-PUKEY>{HASH.upper()}"),
            (f"X509:<S>{DN}", f"X509:<S>{DN.lower()}"),
            (f"X509:<I>{DN}<S>CN=b", f"X509:<I>{DN.replace(',', ' , ')}<S>cn=B"),
            (f"X509:<I>{DN}<SR>B2", f"X509:<I>{DN}<SR>b2"),
            ("bob@local", "BOB@local"),
        ],
    )
    def test_the_same(self, one: str, other: str) -> None:
        """Case of names and hexadecimal digits does not count."""
        assert value_key(one) == value_key(other)

    def test_all_forms_differ(self) -> None:
        """One text in two forms is two identifiers, and so is a serial number with another one."""
        values = [
            *(f"X509:<{form}>{HASH}" for form in ("PN", "RFC822", "SKI", "SHA1-PUKEY")),
            HASH,
            f"X509:<S>{DN}",
            f"X509:<I>{DN}<S>{DN}",
            f"X509:<I>{DN}<SR>b2",
            f"X509:<I>{DN}<SR>00b2",
            f"X509:<I>{DN}<SR>b200",
        ]
        assert len({value_key(one) for one in values}) == len(values)

    def test_a_mark_inside_a_name(self) -> None:
        """Quoted or escaped, it is part of the issuer."""
        keys = {value_key(f"X509:<I>{text}<S>CN=b") for text in ('CN="a<S>x"', r"CN=a\<S\>x")}
        assert keys == {value_key(r"X509:<I>CN=a\3cS\3ex<S>CN=b")}

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("", "has 0 characters"),
            ("a" * 1025, "has 1025 characters"),
            ("a\tb", "has a control character"),
            ("a ", "ends with a blank"),
            ("X509:", "is none of X509:<PN>"),
            ("x509:<SKI>ab", "with these capitals"),
            ("X509:<ski>ab", "with these capitals"),
            ("X509:<SR>ab", "is none of"),
            ("X509:<PN>", "has no name"),
            ("X509:<RFC822>", "has no name"),
            ("X509:<SKI>", "has no hexadecimal digits"),
            ("X509:<SKI>abc", "has 'abc' where pairs of hexadecimal digits belong"),
            ("X509:<SHA1-PUKEY>abcd", "has 2 octets where a SHA-1 hash has 20"),
            ("X509:<S>Alice", "has no TYPE=VALUE at 'Alice'"),
            (f"X509:<I>{DN}", "has no <S> or <SR> after the issuer"),
            ("X509:<I>CA<S>CN=b", "has no TYPE=VALUE at 'CA'"),
            (f"X509:<I>{DN}<S>", "has no TYPE=VALUE"),
            (f"X509:<I>{DN}<SR>", "has no hexadecimal digits"),
            (f"X509:<I>{DN}<SR>{'ab' * 22}", "has a serial number of 22 octets"),
        ],
    )
    def test_wrong(self, value: str, problem: str) -> None:
        """A value that no certificate could ever have is refused with the reason."""
        with pytest.raises(DirectoryError) as caught:
            value_key(value)
        assert problem in str(caught.value)

    @given(
        st.sampled_from(["", "X509:", "X509:<PN>", "X509:<SKI>", "X509:<S>", "X509:<I>CN=a<S>"]),
        st.one_of(st.text(max_size=30), st.text(alphabet='<SR>ICN=a,"\\0b', max_size=30)),
    )
    def test_any_text(self, form: str, text: str) -> None:
        """It has a key that fits on one line, or is refused with a sentence that does."""
        try:
            said = value_key(form + text)
        except DirectoryError as error:
            said = str(error)
        assert said.isprintable()


class TestProblem:
    """`user_ids_problem`."""

    def test_ten_are_allowed(self) -> None:
        """As in Entra."""
        assert user_ids_problem([f"x{number}" for number in range(10)]) is None
        assert user_ids_problem([f"x{number}" for number in range(11)]) == (
            "there are 11 values; 10 are allowed"
        )

    def test_the_wrong_value_is_named(self) -> None:
        """With what is wrong."""
        assert user_ids_problem(["bob@local", "X509:<PN>"]) == "the value 'X509:<PN>' has no name"
