"""proxyAddresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.names import fold
from gateway.directory.proxy_addresses import ProxyAddresses, parse_proxy_addresses
from gateway.errors import DirectoryError


class TestParseProxyAddresses:
    """`parse_proxy_addresses`."""

    def test_capitals_mark_the_primary_address(self) -> None:
        """`SMTP:` is the primary address, every other spelling of it a secondary one."""
        values = ["smtp:a@x.test", "SMTP:p@x.test", "Smtp:b@x.test"]
        assert parse_proxy_addresses(values) == ProxyAddresses("p@x.test", ("a@x.test", "b@x.test"))

    def test_blanks_round_an_address_are_not_part_of_it(self) -> None:
        """Graph's own example has a blank after the colon."""
        assert parse_proxy_addresses([" SMTP: bob@x.test "]) == ProxyAddresses("bob@x.test", ())

    @pytest.mark.parametrize(
        "value",
        ["X500:/o=x/cn=a@x.test", "SIP:a@x.test", "smtpx:a@x.test", "smtp:", "", ":a@x.test"],
    )
    def test_other_kinds_are_passed_over(self, value: str) -> None:
        """Only mail addresses are read."""
        assert parse_proxy_addresses([value]) == ProxyAddresses(None, ())

    def test_an_address_without_prefix_is_secondary(self) -> None:
        """Lists written by hand have no prefixes."""
        assert parse_proxy_addresses(["a@x.test"]) == ProxyAddresses(None, ("a@x.test",))

    def test_each_address_is_there_once(self) -> None:
        """A repetition in other case is dropped, and the primary is not among the others."""
        values = ["smtp:P@x.test", "smtp:a@x.test", "smtp:A@x.test", "SMTP:p@x.test"]
        assert parse_proxy_addresses(values) == ProxyAddresses("p@x.test", ("a@x.test",))

    def test_two_primary_addresses_are_refused(self) -> None:
        """Both are named; the same one twice is no contradiction."""
        with pytest.raises(DirectoryError, match=r"'p@x\.test' and 'q@x\.test' are both"):
            parse_proxy_addresses(["SMTP:p@x.test", "SMTP:q@x.test"])
        assert parse_proxy_addresses(["SMTP:p@x.test", "SMTP:p@x.test"]).primary == "p@x.test"

    @given(
        st.lists(
            st.one_of(st.text(max_size=9), st.sampled_from(["smtp:", "SMTP:a", "smtp:A", "X:b"]))
        )
    )
    def test_any_text_is_read_or_refused(self, values: list[str]) -> None:
        """The result has no address twice, none with blanks at its ends, none empty."""
        try:
            found = parse_proxy_addresses(values)
        except DirectoryError:
            assert sum(value.strip().startswith("SMTP") for value in values) > 1
            return
        every = [*found.others, *([found.primary] if found.primary else [])]
        assert len({fold(one) for one in every}) == len(every)
        assert all(one == one.strip() != "" for one in every)
