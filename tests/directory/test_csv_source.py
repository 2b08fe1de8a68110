"""Mailboxes from CSV files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.address import address_problem
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.directory.csv_source import CsvMailboxes, parse_csv, read_csv
from gateway.errors import DirectoryError


def parse(text: str) -> CsvMailboxes:
    """The mailboxes in a file called users.csv."""
    return parse_csv(text.encode(), name="users.csv")


def problems(text: str) -> list[str]:
    """The lines of the error that the file causes."""
    with pytest.raises(DirectoryError) as caught:
        parse(text)
    return str(caught.value).splitlines()


class TestReading:
    """Files that are right."""

    def test_every_column_is_read(self) -> None:
        """A file with our own column names gives every field."""
        found = parse(
            "upn,primary_address,proxy_addresses,sam_account_name,netbios_domain,enabled\r\n"
            "alice@x.test,a@x.test,smtp:b@x.test;X500:/o=x;smtp: c@x.test,alice,CORP,no\r\n"
        )
        assert found.mailboxes == (
            Mailbox(
                "alice@x.test",
                "a@x.test",
                ("b@x.test", "c@x.test"),
                "alice",
                "CORP",
                enabled=False,
            ),
        )
        assert found.fields == {
            "primary_address",
            "proxy_addresses",
            "sam_account_name",
            "netbios_domain",
            "enabled",
        }
        assert found.ignored_columns == ()

    def test_what_certificates_may_name_a_mailbox_by(self) -> None:
        """certificateUserIds, several with semicolons between them, on-premises UPN and SID."""
        found = parse(
            "upn,certificateUserIds,onPremisesUserPrincipalName,objectSid\n"
            'a@x.test,"X509:<SKI>AB; X509:<S>DC=com,CN=a;",a@corp.local,S-1-5-21-7\n'
            "b@x.test,,,\n"
        )
        assert found.mailboxes == (
            Mailbox(
                "a@x.test",
                certificate_user_ids=("X509:<SKI>AB", "X509:<S>DC=com,CN=a"),
                on_premises_upn="a@corp.local",
                security_identifier="S-1-5-21-7",
            ),
            Mailbox("b@x.test"),
        )
        assert found.fields == {"certificate_user_ids", "on_premises_upn", "security_identifier"}

    def test_groups_and_upstream(self) -> None:
        """Groups with semicolons between them, as names or as memberOf has them."""
        found = parse(
            'upn,memberOf,upstream\na@x.test,"CN=Sales,DC=x; CN=Staff,DC=x;",second\nb@x.test,,\n'
        )
        groups = frozenset({"CN=Sales,DC=x", "CN=Staff,DC=x"})
        expected = Mailbox("a@x.test", groups=groups, upstream="second")
        assert found.mailboxes == (expected, Mailbox("b@x.test"))
        assert found.fields == {"groups", "upstream"}

    @pytest.mark.parametrize(
        ("column", "value", "words"),
        [
            ("groups", "a\tb", "row 2, column 'groups': 'a\\tb' is empty, begins"),
            ("upstream", "Mail 2", "row 2, column 'upstream': 'Mail 2' is no name of an"),
        ],
    )
    def test_odd_groups_and_upstreams(self, column: str, value: str, words: str) -> None:
        """Each is a problem with its row and column."""
        with pytest.raises(DirectoryError) as caught:
            parse(f"upn,{column}\na@x.test,{value}\n")
        assert words in str(caught.value)

    def test_exports_of_active_directory_are_read(self) -> None:
        """AD's attribute names, quoted, with a BOM; other columns are named as ignored."""
        found = parse(
            '\ufeff"DN","userPrincipalName","proxyAddresses","mail","sAMAccountName"\n'
            '"CN=Alice,DC=x","alice@x.test","smtp:b@x.test;SMTP:a@x.test","old@x.test","alice"\n'
        )
        assert found.mailboxes == (Mailbox("alice@x.test", "a@x.test", ("b@x.test",), "alice"),)
        assert found.fields == {"primary_address", "proxy_addresses", "sam_account_name"}
        assert found.ignored_columns == ("DN",)

    def test_exports_of_graph_are_read(self) -> None:
        """Graph's accountEnabled and mail, where there are no proxyAddresses."""
        found = parse(
            "User principal name,mail,accountEnabled\nalice@x.test,a@x.test,True\n"
            "bob@x.test,,FALSE\n"
        )
        assert found.mailboxes == (
            Mailbox("alice@x.test", "a@x.test"),
            Mailbox("bob@x.test", enabled=False),
        )

    def test_a_domain_may_stand_before_the_name(self) -> None:
        r"""`DOMAIN\name` in the name's column gives both."""
        found = parse("upn,sam_account_name\nalice@x.test,CORP\\alice\n")
        assert found.mailboxes == (
            Mailbox("alice@x.test", sam_account_name="alice", netbios_domain="CORP"),
        )
        assert found.fields == {"sam_account_name", "netbios_domain"}

    def test_primary_address_may_be_given_twice_if_it_is_the_same(self) -> None:
        """In its own column and marked SMTP:, it is one address."""
        found = parse("upn,primary_address,proxy_addresses\na@x.test,P@x.test,SMTP:p@x.test\n")
        assert found.mailboxes == (Mailbox("a@x.test", "P@x.test"),)

    def test_rows_without_text_are_none(self) -> None:
        """Blank lines and rows of commas are passed over; a header alone is no mailbox."""
        assert parse("upn,enabled\n\n , \na@x.test,1\n").mailboxes == (Mailbox("a@x.test"),)
        assert parse("upn\n").mailboxes == ()

    @pytest.mark.parametrize(
        ("word", "enabled"),
        [
            ("true", True),
            ("1", True),
            ("Yes", True),
            ("FALSE", False),
            ("0", False),
            (" no", False),
        ],
    )
    def test_enabled_has_three_spellings(self, word: str, enabled: bool) -> None:  # noqa: FBT001 (a parameter of the test)
        """In any case, with blanks round it."""
        assert parse(f"upn,enabled\na@x.test,{word}\n").mailboxes[0].enabled is enabled


class TestProblems:
    """Files that are wrong: file, row and column are named, all in one pass."""

    def test_a_missing_column(self) -> None:
        """What was found instead is named; an empty file has nothing."""
        assert problems("name,enabled\nx,1\n") == [
            (
                "users.csv: column 'upn' (or 'userPrincipalName') is missing; found are "
                "'name', 'enabled'"
            )
        ]
        assert problems("") == [
            "users.csv: column 'upn' (or 'userPrincipalName') is missing; found are none"
        ]

    def test_a_doubled_column(self) -> None:
        """Two columns for the same thing contradict each other."""
        assert problems("upn,userPrincipalName\n") == [
            "users.csv: columns 'upn' and 'userPrincipalName' mean the same; keep one"
        ]

    def test_every_problem_in_one_pass(self) -> None:
        """Each row's problems are listed with their column's own name."""
        assert problems(
            "userPrincipalName,enabled,proxyAddresses,samAccountName\n"
            "alice,1,,\n"
            "b@x.test,maybe,SMTP:p@x.test;SMTP:q@x.test,\n"
            "c@x.test,,smtp:c\0@x.test,a@b\n"
            "d@x.test,1,\n"
        ) == [
            "users.csv: row 2, column 'userPrincipalName': 'alice' is not of the form name@domain",
            (
                "users.csv: row 3, column 'proxyAddresses': 'p@x.test' and 'q@x.test' are both "
                "marked primary (SMTP:)"
            ),
            "users.csv: row 3, column 'enabled': 'maybe' is neither true nor false (1, 0, yes, no)",
            (
                "users.csv: row 4, column 'proxyAddresses': 'c\\x00@x.test' has a control "
                "character or one that cannot be seen"
            ),
            "users.csv: row 4, column 'samAccountName': 'a@b' has a backslash or an @",
            "users.csv: row 4, column 'enabled': '' is neither true nor false (1, 0, yes, no)",
            "users.csv: row 5: has 3 cells, and the header has 4",
        ]

    def test_an_address_of_two_mailboxes(self) -> None:
        """Both rows and both mailboxes are named; case is disregarded."""
        assert problems(
            "upn,primary_address,proxy_addresses\na@x.test,p@x.test,\nb@x.test,,smtp:P@x.test\n"
        ) == [
            (
                "users.csv: rows 2 and 3: the address 'P@x.test' cannot be both of a@x.test and of "
                "b@x.test"
            )
        ]

    def test_what_certificates_may_not_name_a_mailbox_by(self) -> None:
        """Each wrong value is named with its row and column."""
        assert problems(
            "upn,certificate user ids,OnPremisesUserPrincipalName,SID\na@x.test,X509:<SKI>A,a,S-1\n"
        ) == [
            (
                "users.csv: row 2, column 'certificate user ids': the value 'X509:<SKI>A' has 'A' "
                "where pairs of hexadecimal digits belong"
            ),
            (
                "users.csv: row 2, column 'OnPremisesUserPrincipalName': 'a' is not of the form "
                "name@domain"
            ),
            (
                "users.csv: row 2, column 'SID': 'S-1' is not a SID, such as "
                "S-1-5-21-1004336348-1177238915-682003330-512"
            ),
        ]

    def test_an_identifier_of_two_mailboxes(self) -> None:
        """Both rows and both mailboxes are named."""
        assert problems(
            "upn,certificateUserIds\na@x.test,X509:<SKI>AB\nb@x.test,X509:<SKI>ab\n"
        ) == [
            (
                "users.csv: rows 2 and 3: the certificateUserIds value X509:<SKI>ab cannot be both "
                "of a@x.test and of b@x.test"
            )
        ]

    def test_a_doubled_upn(self) -> None:
        """The first row is named; case is disregarded."""
        assert problems("upn\na@x.test\nA@x.test\n") == [
            "users.csv: row 3, column 'upn': 'A@x.test' is in row 2 already"
        ]

    def test_columns_that_contradict_each_other(self) -> None:
        """Two primary addresses, two domains."""
        assert problems(
            "upn,primary_address,proxy_addresses,sam_account_name,netbios_domain\n"
            "a@x.test,p@x.test,SMTP:q@x.test,CORP\\a,OTHER\n"
        ) == [
            (
                "users.csv: row 2, column 'primary_address': 'p@x.test' is primary, and "
                "SMTP:q@x.test is as well"
            ),
            (
                "users.csv: row 2, column 'sam_account_name': 'CORP\\\\a' is not of the NetBIOS "
                "domain 'OTHER'"
            ),
        ]

    def test_bytes_that_are_not_utf8(self) -> None:
        """The row of the first wrong byte is named."""
        with pytest.raises(DirectoryError, match=r"users\.csv: row 2: byte 5 is not UTF-8"):
            parse_csv(b"upn\nb\xfc@x.test\n", name="users.csv")

    def test_a_field_that_is_too_large(self) -> None:
        """The reader's limit is a problem of that row, and ends the reading."""
        text = "upn\na@x.test\n" + "b" * 140_000 + "@x.test\n"
        assert problems(text) == [
            "users.csv: row 3: cannot be read: field larger than field limit (131072)"
        ]

    def test_a_quote_that_never_ends(self) -> None:
        """A file that was cut off inside a quoted field is not read as if it were whole."""
        assert problems('upn\na@x.test\n"b@x.test') == [
            "users.csv: row 3: cannot be read: unexpected end of data"
        ]

    def test_many_problems_are_counted_not_listed(self) -> None:
        """After fifty the rest is a number."""
        lines = problems("upn\n" + "wrong\n" * 60)
        assert (len(lines), lines[-1]) == (51, "and 10 more")

    def test_a_file_that_cannot_be_opened(self, tmp_path: Path) -> None:
        """The file is named with the system's reason."""
        with pytest.raises(DirectoryError, match=r"none\.csv: cannot be read: No such file"):
            read_csv(tmp_path / "none.csv")

    def test_a_file_is_read_from_disk(self, tmp_path: Path) -> None:
        """The bytes are those of the file."""
        (tmp_path / "users.csv").write_text("upn\na@x.test\n", encoding="utf-8")
        assert read_csv(tmp_path / "users.csv").mailboxes == (Mailbox("a@x.test"),)


CELL = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["a@x.test", "A@x.test", "b@x.test", "SMTP:p@x.test;smtp:a@x.test", "1", '"']),
)
FILE = st.lists(st.lists(CELL, max_size=3).map(",".join), max_size=5).map("\n".join)


class TestAnyInput:
    """Whatever the bytes are, the outcome is sound mailboxes or one named error."""

    @given(
        st.one_of(st.binary(), FILE.map(str.encode), FILE.map(lambda t: f"upn,mail\n{t}".encode()))
    )
    def test_is_read_or_refused(self, content: bytes) -> None:
        """What is read has sound names, and no UPN or address twice."""
        try:
            found = parse_csv(content, name="users.csv").mailboxes
        except DirectoryError as error:
            refusal = str(error)
            found = ()
        else:
            refusal = "users.csv: "
        assert all(line.startswith(("users.csv: ", "and ")) for line in refusal.split("\n"))
        names = [fold(address) for one in found for address in one.addresses]
        assert len(names) == len(set(names))
        assert len({one.key for one in found}) == len(found)
        assert not any(address_problem(name) for name in [*names, *(one.upn for one in found)])

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), unique_by=lambda r: r[0]))
    def test_what_is_written_is_read(self, rows: list[tuple[str, bool]]) -> None:
        """A file made of mailboxes gives those mailboxes back."""
        expected = tuple(
            Mailbox(f"{name}@x.test", f"{name}@y.test", enabled=enabled) for name, enabled in rows
        )
        lines = [f"{one.upn},SMTP:{one.primary_address},{one.enabled}" for one in expected]
        assert parse("\n".join(["upn,proxy_addresses,enabled", *lines])).mailboxes == expected
