"""What UPNs, addresses and names of a directory may look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.address import address_problem, group_problem, name_problem, upstream_problem


class TestAddressProblem:
    """`address_problem`."""

    @pytest.mark.parametrize(
        "text", ["alice@example.test", "a b@example.test", "ä@büro.test", "a@b@c", "x@localhost"]
    )
    def test_allows_what_directories_hold(self, text: str) -> None:
        """A local part and a domain are enough, in any script."""
        assert address_problem(text) is None

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "is empty"),
            ("a\0@example.test", "has a control character or one that cannot be seen"),
            ("a\n@example.test", "has a control character or one that cannot be seen"),
            ("a\u200b@example.test", "has a control character or one that cannot be seen"),
            ("a\udc80@example.test", "has a control character or one that cannot be seen"),
            (" a@example.test", "begins or ends with a blank"),
            ("alice", "is not of the form name@domain"),
            ("@example.test", "is not of the form name@domain"),
            ("alice@", "is not of the form name@domain"),
            ("a" * 1020 + "@b.cd", "has 1025 characters; 1024 are allowed"),
        ],
    )
    def test_says_what_is_wrong(self, text: str, problem: str) -> None:
        """Each kind of wrong text has its own words."""
        assert address_problem(text) == problem

    @given(st.text())
    def test_allowed_text_is_one_line(self, text: str) -> None:
        """What is allowed can be stored one a line and encoded."""
        if address_problem(text) is None:
            assert text.splitlines() == [text]
            assert text.encode().decode() == text


class TestNameProblem:
    """`name_problem`."""

    @pytest.mark.parametrize("text", ["alice", "svc-mail$", "Ö"])
    def test_allows_names(self, text: str) -> None:
        """A bare name is allowed."""
        assert name_problem(text) is None

    @pytest.mark.parametrize("text", ["", " a", "a\0", "CORP\\alice", "a@b", "a" * 1025])
    def test_refuses_what_is_no_name(self, text: str) -> None:
        """A domain, an address, blanks and control characters do not belong in a name."""
        assert name_problem(text) is not None


class TestGroupProblem:
    """`group_problem`."""

    @pytest.mark.parametrize("text", ["Sales", "CN=Sales,OU=Groups,DC=example", "Büro 2"])
    def test_allows_names(self, text: str) -> None:
        """Plain names and distinguished ones."""
        assert group_problem(text) is None

    @pytest.mark.parametrize("text", ["", " a", "a\nb", "a" * 1025])
    def test_refuses_what_is_no_name(self, text: str) -> None:
        """A group is one line without blanks around it."""
        assert group_problem(text) is not None


class TestUpstreamProblem:
    """`upstream_problem`."""

    @pytest.mark.parametrize("text", ["mail", "2", "mail-b-2"])
    def test_allows_names(self, text: str) -> None:
        """What `[[upstream]]` may be called."""
        assert upstream_problem(text) is None

    @pytest.mark.parametrize("text", ["", "Mail", "-a", "a b", "a\n", "a" * 64])
    def test_refuses_what_is_no_name(self, text: str) -> None:
        """What it may not be called."""
        assert upstream_problem(text) is not None
