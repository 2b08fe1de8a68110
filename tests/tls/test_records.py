"""Where TLS records end."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.tls.records import RecordBoundary

_RECORDS = st.lists(st.binary(max_size=40), max_size=8)


def _record(content: bytes) -> bytes:
    return b"\x17\x03\x03" + len(content).to_bytes(2) + content


@given(_RECORDS, st.integers(0, 60))
def test_whole_records_are_counted(contents: list[bytes], extra: int) -> None:
    """As many as there are, whatever of the next has come."""
    begun = _record(bytes(100))[:extra]
    assert RecordBoundary().feed(b"".join(map(_record, contents)) + begun) == len(contents)


@given(_RECORDS, st.lists(st.integers(1, 50), min_size=1))
def test_pieces_make_no_difference(contents: list[bytes], sizes: list[int]) -> None:
    """Each record ends once, with the piece that has its last byte."""
    data = b"".join(map(_record, contents))
    boundary, ended, position = RecordBoundary(), 0, 0
    while position < len(data):
        size = sizes[position % len(sizes)]
        piece = data[position : position + size]
        before = RecordBoundary().feed(data[:position])
        position += len(piece)
        count = boundary.feed(piece)
        ended += count
        assert before + count == RecordBoundary().feed(data[:position])
    assert ended == len(contents)


def test_nothing_ends_with_nothing() -> None:
    """No bytes, no record."""
    assert RecordBoundary().feed(b"") == 0
