"""The entries of a CRL, read by our own walk and by the library."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import crl_der
from gateway.core.crl_entries import CrlReason, RevokedEntry
from gateway.core.crl_names import canonical_name
from gateway.core.crl_walk import read_entries
from gateway.errors import CrlError
from gateway.pki.authority import CertificateAuthority
from tests.core import crl_samples as samples

ISSUER = b"issuer"
CA = CertificateAuthority.root("Walk CA")
FIRST = datetime(1950, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 170 * 365 * 86400).map(lambda seconds: FIRST + timedelta(seconds=seconds))
REASONS = st.sampled_from(list(CrlReason))
INVALIDITY = samples.extension("2.5.29.24", crl_der.encode(0x18, b"20260102030405Z"))
UNKNOWN = samples.extension("1.3.6.1.4.1.55555.1", b"\x05\x00")
EXTENSIONS: st.SearchStrategy[list[bytes]] = st.one_of(
    st.just([]),
    st.tuples(REASONS.map(samples.reason)).map(list),
    st.permutations([INVALIDITY, samples.reason(1)]),
    st.lists(st.sampled_from([INVALIDITY, UNKNOWN]), min_size=1, max_size=2, unique=True),
    st.just([samples.extension("1.3.6.1.4.1.55555.2", b"\x04\x81\x80" + bytes(128))]),
)
SERIALS = st.integers(min_value=0, max_value=2**160)
ENTRIES = st.builds(
    lambda number, moment, extensions: samples.entry(
        samples.serial(crl_der.shortest_integer(number)), samples.crl_time(moment), *extensions
    ),
    SERIALS,
    MOMENTS,
    EXTENSIONS,
)
WHEN = samples.crl_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
PLAIN = samples.entry(samples.serial(b"\x05"), WHEN)


def by_library(content: bytes) -> list[tuple[int, datetime, CrlReason | None]]:
    """The entries as the library reads them, sorted; raises ValueError if it cannot."""
    crl = x509.load_der_x509_crl(samples.signed(CA, entries=content))
    return sorted(
        ((one.serial_number, one.revocation_date_utc, _reason(one)) for one in crl), key=repr
    )


def _reason(one: x509.RevokedCertificate) -> CrlReason | None:
    found = {extension.oid: extension.value for extension in one.extensions}
    value = found.get(x509.CRLReason.oid)
    if not isinstance(value, x509.CRLReason):
        return None
    return CrlReason(value.public_bytes()[2])


def by_us(content: bytes) -> list[tuple[int, datetime, CrlReason | None]]:
    """The entries as the walk reads them, sorted; raises CrlError if it cannot."""
    entries = read_entries(content, ISSUER)
    return sorted(
        ((number, one.revocation_date, one.reason) for _, number, one in entries), key=repr
    )


@given(st.lists(ENTRIES, max_size=12))
def test_every_entry_is_read_as_the_library_reads_it(entries: list[bytes]) -> None:
    """Serial numbers, dates and reasons agree for entries of every layout, in any mixture."""
    content = b"".join(entries)
    assert by_us(content) == by_library(content)


@given(st.lists(ENTRIES, max_size=12))
def test_every_entry_is_found_by_its_serial_number(entries: list[bytes]) -> None:
    """A look-up finds each listed serial number with what the list says of it, and no other."""
    found = read_entries(b"".join(entries), ISSUER)
    listed: dict[int, list[RevokedEntry]] = {}
    for _, number, one in found:
        listed.setdefault(number, []).append(one)
    for number, some in listed.items():
        assert found.find(ISSUER, number) in some
        for neighbour in (number - 1, number + 1, -number, number << 8):
            assert (found.find(ISSUER, neighbour) is not None) == (neighbour in listed)
        assert found.find(b"another", number) is None


@given(st.lists(ENTRIES, min_size=1, max_size=4), st.data())
def test_damaged_entries_are_refused_or_read_alike(
    entries: list[bytes], data: st.DataObject
) -> None:
    """Whatever octet is changed: what the walk accepts, the library reads the same."""
    content = bytearray(b"".join(entries))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    try:
        found = by_us(bytes(content))
    except CrlError:
        return
    if any(number < 0 for number, _, _ in found):
        return  # the library knows no negative serial numbers
    assert found == by_library(bytes(content))


@given(st.binary(max_size=200))
def test_any_octets_are_entries_or_a_crl_error(content: bytes) -> None:
    """No input raises anything but CrlError."""
    with contextlib.suppress(CrlError):
        read_entries(content, ISSUER)


def test_a_negative_serial_number_is_itself() -> None:
    """Serial numbers are compared as integers with their sign (RFC 5280 section 4.1.2.2)."""
    content = b"".join(
        samples.entry(samples.serial(octets), WHEN) for octets in (b"\xff", b"\x00\xff", b"\x80")
    )
    found = read_entries(content, ISSUER)
    assert sorted(number for _, number, _ in found) == [-128, -1, 255]
    assert found.find(ISSUER, -1) is not None
    assert found.find(ISSUER, 128) is None


def test_dates_from_2050_on_are_read() -> None:
    """They are GeneralizedTime (RFC 5280 section 5.1.2.6), also with extensions behind them."""
    late = samples.crl_time(datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC))
    content = b"".join(
        samples.entry(samples.serial(bytes([number])), late, samples.reason(1))
        for number in (5, 6, 7)
    )
    assert by_us(content) == by_library(content)
    assert {moment.year for _, moment, _ in by_us(content)} == {2051}


def test_a_serial_number_listed_twice_is_revoked_if_either_entry_says_so() -> None:
    """RemoveFromCRL beside a revocation of the same certificate does not undo it."""
    content = b"".join(
        samples.entry(samples.serial(b"\x05"), WHEN, samples.reason(code)) for code in (8, 1, 8)
    )
    found = read_entries(content, ISSUER).find(ISSUER, 5)
    assert found is not None
    assert found.reason is CrlReason.KEY_COMPROMISE


@pytest.mark.parametrize(
    ("defect", "content", "sentence"),
    [
        ("truncated_entry", PLAIN[:-3], "truncated"),
        ("not_an_entry", b"\x04" + PLAIN[1:], "no entry"),
        ("no_date", samples.entry(samples.serial(b"\x05"), b""), "not a serial number, a date"),
        ("serial_as_text", samples.entry(b"\x0c\x01\x05", WHEN), "not a serial number, a date"),
        ("empty_serial", samples.entry(samples.serial(b""), WHEN), "empty INTEGER"),
        ("long_serial", samples.entry(samples.serial(b"\x00\x05"), WHEN), "shortest form"),
        ("long_negative", samples.entry(samples.serial(b"\xff\x85"), WHEN), "shortest form"),
        ("thirteenth_month", PLAIN.replace(b"260102", b"261302"), "is no time"),
        ("february_30", PLAIN.replace(b"260102", b"260230"), "is no time"),
        ("hour_24", PLAIN.replace(b"030405Z", b"240405Z"), "is no time"),
        ("second_60", PLAIN.replace(b"030405Z", b"030460Z"), "is no time"),
        ("date_of_letters", PLAIN.replace(b"260102", b"26O102"), "no UTCTime"),
        ("date_without_z", PLAIN.replace(b"030405Z", b"030405A"), "no UTCTime"),
        (
            "date_without_seconds",
            samples.entry(samples.serial(b"\x05"), crl_der.encode(0x17, b"2601020304Z")),
            "no UTCTime",
        ),
        (
            "unknown_critical_entry_extension",
            samples.entry(
                samples.serial(b"\x05"),
                WHEN,
                samples.extension("1.3.6.1.4.1.55555.1", b"\x05\x00", critical=True),
            ),
            "critical extension that is not implemented: 1.3.6.1.4.1.55555.1",
        ),
        (
            "certificate_issuer_outside_an_indirect_crl",
            samples.entry(
                samples.serial(b"\x05"), WHEN, samples.extension("2.5.29.29", b"\x30\x00")
            ),
            "no indirect CRL",
        ),
        (
            "unknown_reason",
            samples.entry(samples.serial(b"\x05"), WHEN, samples.reason(7)),
            "reason code that there is not",
        ),
        (
            "reason_of_two_octets",
            samples.entry(
                samples.serial(b"\x05"), WHEN, samples.extension("2.5.29.21", b"\x0a\x02\x00\x01")
            ),
            "reason code that there is not",
        ),
        (
            "reason_given_twice",
            samples.entry(samples.serial(b"\x05"), WHEN, samples.reason(1), samples.reason(1)),
            "the same extension twice",
        ),
        (
            "empty_extensions",
            crl_der.encode(0x30, samples.serial(b"\x05") + WHEN + b"\x30\x00"),
            "empty list of extensions",
        ),
        (
            "extension_without_value",
            samples.entry(samples.serial(b"\x05"), WHEN, b"\x30\x05\x06\x03\x55\x1d\x15"),
            "extension that is none",
        ),
        (
            "extension_whose_name_is_no_identifier",
            samples.entry(samples.serial(b"\x05"), WHEN, b"\x30\x06\x06\x02\x55\x80\x04\x00"),
            "no object identifier",
        ),
        (
            "invalidity_date_that_is_no_date",
            samples.entry(
                samples.serial(b"\x05"), WHEN, samples.extension("2.5.29.24", b"\x18\x0220")
            ),
            "no UTCTime or GeneralizedTime",
        ),
        (
            "invalidity_date_and_more",
            samples.entry(
                samples.serial(b"\x05"),
                WHEN,
                samples.extension("2.5.29.24", b"\x18\x0f20260102030405Z\x05\x00"),
            ),
            "followed by something else",
        ),
        (
            "empty_extension",
            samples.entry(samples.serial(b"\x05"), WHEN, b"\x30\x00"),
            "extension that is none",
        ),
        (
            "extension_as_text",
            samples.entry(samples.serial(b"\x05"), WHEN, b"\x0c\x01a"),
            "extension that is none",
        ),
        (
            "criticality_of_01",
            samples.entry(
                samples.serial(b"\x05"),
                WHEN,
                samples.extension("2.5.29.21", b"\x0a\x01\x01", critical=True).replace(
                    b"\x01\x01\xff", b"\x01\x01\x01"
                ),
            ),
            "criticality is not DER",
        ),
    ],
)
def test_a_defect_of_one_entry_refuses_the_whole_list(
    defect: str, content: bytes, sentence: str
) -> None:
    """Each defect is refused for its own reason, alone and among entries that are right."""
    with pytest.raises(CrlError, match=sentence):
        read_entries(content, ISSUER)
    with pytest.raises(CrlError):
        read_entries(PLAIN * 3 + content + PLAIN, ISSUER)


def test_many_entries_of_one_layout_are_found() -> None:
    """Look-ups hit the first, the last and every other record of a large table, and miss beside."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    entries = [
        samples.entry(
            samples.serial(crl_der.shortest_integer(3 * number)),
            samples.crl_time(start + timedelta(minutes=number)),
            samples.reason(number % 7),
        )
        for number in range(3000, 0, -1)
    ]
    found = read_entries(b"".join(entries), ISSUER)
    for number in range(1, 3001):
        expected = RevokedEntry(CrlReason(number % 7), start + timedelta(minutes=number))
        assert found.find(ISSUER, 3 * number) == expected
        assert found.find(ISSUER, 3 * number + 1) is None


def test_an_extension_as_long_as_a_reason_is_none() -> None:
    """Entries that look alike by their length alone are read one by one."""
    other = samples.extension("2.5.29.99", b"\x0a\x01\x01")
    content = samples.entry(samples.serial(b"\x05"), WHEN, other)
    assert len(other) == len(samples.reason(1))
    entry = read_entries(content, ISSUER).find(ISSUER, 5)
    assert entry is not None
    assert entry.reason is None


class TestIndirect:
    """Entries of several CAs (RFC 5280 section 5.3.3)."""

    FIRST = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "First")])
    SECOND = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "second")])

    @staticmethod
    def issuer(name: x509.Name | bytes, *, critical: bool = True) -> bytes:
        """A certificateIssuer extension; octets are the whole of its GeneralNames."""
        if isinstance(name, x509.Name):
            directory = crl_der.encode(0xA4, name.public_bytes())
            name = crl_der.encode(0x30, directory)
        return samples.extension("2.5.29.29", name, critical=critical)

    @staticmethod
    def numbered(number: int, *extensions: bytes) -> bytes:
        """An entry of this serial number."""
        serial = samples.serial(crl_der.shortest_integer(number))
        return samples.entry(serial, WHEN, *extensions)

    def test_an_issuer_holds_until_the_next(self) -> None:
        """And before the first it is the CRL's own."""
        content = b"".join(
            (
                self.numbered(1),
                self.numbered(2, self.issuer(self.FIRST)),
                self.numbered(3, samples.reason(1)),
                self.numbered(4, samples.reason(6), self.issuer(self.SECOND)),
                self.numbered(5),
                self.numbered(2, self.issuer(self.FIRST, critical=False)),
            )
        )
        first, second = (canonical_name(one.public_bytes()) for one in (self.FIRST, self.SECOND))
        entries = read_entries(content, ISSUER, indirect=True)
        found = sorted((issuer, number) for issuer, number, _ in entries)
        expected = [(ISSUER, 1), (first, 2), (first, 2), (first, 3), (second, 4), (second, 5)]
        assert found == sorted(expected)
        assert entries.find(first, 3) == RevokedEntry(
            CrlReason.KEY_COMPROMISE, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        )
        assert entries.find(second, 3) is None
        assert entries.find(ISSUER, 3) is None

    def test_names_are_folded(self) -> None:
        """As names are compared everywhere."""
        content = self.numbered(2, self.issuer(self.SECOND))
        upper = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "SECOND")])
        issuer = canonical_name(upper.public_bytes())
        assert read_entries(content, ISSUER, indirect=True).find(issuer, 2) is not None

    def test_octets_that_look_like_an_issuer_are_none(self) -> None:
        """They stand in a serial number, or in the value of another extension."""
        looks = bytes.fromhex("0603551d1d")
        other = samples.extension("1.3.6.1.4.1.55555.1", looks)
        content = self.numbered(int.from_bytes(looks)) + self.numbered(7, other)
        entries = read_entries(content, ISSUER, indirect=True)
        assert sorted(number for _, number, _ in entries) == sorted((7, int.from_bytes(looks)))
        assert {issuer for issuer, _, _ in entries} == {ISSUER}

    @pytest.mark.parametrize(
        ("names", "sentence"),
        [
            (b"\x30\x00", "truncated"),
            (b"\x30\x03\x86\x01a", "a certificate issuer's name has tag"),
            (b"\x30\x08" + 2 * b"\xa4\x02\x30\x00", "more than one certificate issuer"),
            (b"\x30\x04\xa4\x02\x05\x00", "a name has tag"),
        ],
    )
    def test_an_issuer_is_one_directory_name(self, names: bytes, sentence: str) -> None:
        """Anything else cannot be the issuer of a certificate."""
        content = self.numbered(2, self.issuer(names))
        with pytest.raises(CrlError, match=sentence):
            read_entries(content, ISSUER, indirect=True)

    @given(
        st.lists(
            st.tuples(st.integers(0, 2**64), st.sampled_from([None, FIRST, SECOND])), max_size=30
        )
    )
    def test_any_sequence_is_read_as_the_rule_says(
        self, listed: list[tuple[int, x509.Name | None]]
    ) -> None:
        """Against the rule written down once more."""
        content, expected, issuer = b"", [], ISSUER
        for number, name in listed:
            content += self.numbered(number, *([self.issuer(name)] if name else []))
            issuer = canonical_name(name.public_bytes()) if name else issuer
            expected.append((issuer, number))
        entries = read_entries(content, ISSUER, indirect=True)
        assert sorted((one, number) for one, number, _ in entries) == sorted(expected)
