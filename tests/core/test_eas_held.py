"""How long a request asks to be held, and the bounds of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.eas_held import (
    LONGEST_SECONDS,
    clamp,
    heartbeat_out_of_bounds,
    is_sync_held,
    seconds_held,
)
from gateway.core.wbxml import HEADER, Child, Element, decode, element, encode
from gateway.errors import WbxmlError

FOLDERS = element(
    "Ping:Folders",
    element("Ping:Folder", element("Ping:Id", "5"), element("Ping:Class", "Email")),
)
CHANGES = element(
    "AirSync:Collections",
    element(
        "AirSync:Collection",
        element("AirSync:SyncKey", "7"),
        element("AirSync:Commands", element("AirSync:Add", element("Email:Subject", "\u00fc"))),
    ),
)
NO_CHANGES = element(
    "AirSync:Collections", element("AirSync:Collection", element("AirSync:SyncKey", "7"))
)
BOUNDS = (120, 1800)


def ping(seconds: object = None, *more: Child) -> bytes:
    """The body of a Ping."""
    said = [] if seconds is None else [element("Ping:HeartbeatInterval", str(seconds))]
    return encode(element("Ping:Ping", *said, *more))


def sync(*, wait: object = None, seconds: object = None, more: tuple[Child, ...] = ()) -> bytes:
    """The body of a Sync."""
    said = [] if wait is None else [element("AirSync:Wait", str(wait))]
    said += [] if seconds is None else [element("AirSync:HeartbeatInterval", str(seconds))]
    return encode(element("AirSync:Sync", *more, *said))


class TestSecondsHeld:
    """How long."""

    @pytest.mark.parametrize(
        ("command", "body", "seconds"),
        [
            ("Ping", ping(480, FOLDERS), 480),
            ("Ping", ping(" 60 "), 60),
            ("Ping", ping(0), 0),
            ("Ping", ping(None, FOLDERS), None),
            ("Ping", ping(), None),
            ("Ping", b"", None),
            ("Sync", sync(wait=59), LONGEST_SECONDS),
            ("Sync", sync(seconds=300, more=(NO_CHANGES,)), 300),
            ("Sync", sync(wait=2, seconds=90), 120),
            ("Sync", sync(wait=1, seconds=90), 90),
            ("Sync", sync(more=(NO_CHANGES,)), 0),
            ("Sync", sync(more=(element("AirSync:Partial"),)), None),
            ("Sync", sync(wait=1, more=(element("AirSync:Partial"),)), 60),
            ("Sync", b"", None),
        ],
    )
    def test_is_read(self, command: str, body: bytes, seconds: int | None) -> None:
        """Minutes and seconds are seconds; what is left out is for the mail server to know."""
        assert seconds_held(command, body) == seconds

    def test_unknown_elements_are_passed_over(self) -> None:
        """Elements of pages that nobody knows do not hide the interval, and are sent on."""
        root = element(
            "Ping:Ping", Element(200, 8, ("9",)), "9", element("Ping:HeartbeatInterval", "480")
        )
        assert seconds_held("Ping", encode(root)) == 480
        clamped = decode(clamp("Ping", encode(root), 500, 600))
        assert clamped.children[:2] == root.children[:2]

    @pytest.mark.parametrize(
        ("command", "body"),
        [
            ("Ping", ping("soon")),
            ("Ping", ping("-1")),
            ("Ping", ping("")),
            ("Ping", ping("\u0663")),
            ("Ping", ping("1" * 10)),
            ("Ping", sync(wait=1)),
            ("Sync", ping(480)),
            ("Sync", sync(wait="1.5")),
            ("Ping", b"Ping"),
            ("Ping", ping(480, element("Ping:Folders", "x" * (1 << 16)))),
        ],
    )
    def test_refused(self, command: str, body: bytes) -> None:
        """No number, another command's body, and more than 64 KiB are one kind of error."""
        for read in (seconds_held, _clamp, _out_of_bounds):
            with pytest.raises(WbxmlError):
                read(command, body)


def _clamp(command: str, body: bytes) -> bytes:
    return clamp(command, body, *BOUNDS)


def _out_of_bounds(command: str, body: bytes) -> bytes | None:
    return heartbeat_out_of_bounds(command, body, *BOUNDS)


class TestClamp:
    """The request, passed on within bounds."""

    @pytest.mark.parametrize(
        ("command", "body"),
        [
            ("Ping", b""),
            ("Ping", ping()),
            ("Ping", ping(0)),
            ("Ping", ping(120, FOLDERS)),
            ("Ping", ping("01800")),
            ("Sync", b""),
            ("Sync", sync(wait=2)),
            ("Sync", sync(wait=30, more=(CHANGES,))),
            ("Sync", sync(seconds=1800)),
            ("Sync", sync(more=(CHANGES,))),
            # As no encoder writes it: content without any, and a switch to the page that it is.
            ("Ping", HEADER + bytes.fromhex("000d 45 49 01 000d 48 03 34383000 01 01")),
        ],
    )
    def test_within_bounds_nothing_changes(self, command: str, body: bytes) -> None:
        """A body that needs no change is the same bytes."""
        assert _clamp(command, body) == body

    @pytest.mark.parametrize(
        ("command", "body", "clamped"),
        [
            ("Ping", ping(60, FOLDERS), ping(120, FOLDERS)),
            ("Ping", ping(3600, FOLDERS), ping(1800, FOLDERS)),
            ("Sync", sync(wait=1, more=(CHANGES,)), sync(wait=2, more=(CHANGES,))),
            ("Sync", sync(wait=59, more=(CHANGES,)), sync(wait=30, more=(CHANGES,))),
            ("Sync", sync(seconds=119), sync(seconds=120)),
            ("Sync", sync(wait=2, seconds=9999), sync(wait=2, seconds=1800)),
        ],
    )
    def test_outside_the_number_alone_changes(
        self, command: str, body: bytes, clamped: bytes
    ) -> None:
        """The nearest allowed number stands in its place, in its unit, and all else stays."""
        assert _clamp(command, body) == clamped

    def test_every_one_of_several_is_clamped(self) -> None:
        """Whichever of two a mail server takes is within bounds."""
        said = [element("Ping:HeartbeatInterval", number) for number in ("9999", "480", "1")]
        root = decode(_clamp("Ping", encode(element("Ping:Ping", *said))))
        assert [one.text for one in root.all("Ping:HeartbeatInterval")] == ["1800", "480", "120"]

    @pytest.mark.parametrize(
        ("bounds", "minutes"), [((90, 110), "1"), ((1, 59), "1"), ((61, 200), "3")]
    )
    def test_minutes_are_rounded_inwards(self, bounds: tuple[int, int], minutes: str) -> None:
        """A Wait goes to a whole minute within bounds, else to the most below, never under one."""
        root = decode(clamp("Sync", sync(wait=10), *bounds))
        assert root.text_at("AirSync:Wait") == minutes

    @given(
        st.sampled_from(["Ping", "Sync", "Wait"]),
        st.integers(1, 10**9 - 1),
        st.integers(60, 900),
        st.integers(1000, LONGEST_SECONDS),
    )
    def test_whatever_was_asked(self, kind: str, number: int, minimum: int, maximum: int) -> None:
        """What is sent on is within bounds and is not changed again."""
        command = "Ping" if kind == "Ping" else "Sync"
        body = {"Ping": ping(number), "Sync": sync(seconds=number), "Wait": sync(wait=number)}[kind]
        clamped = clamp(command, body, minimum, maximum)
        seconds = seconds_held(command, clamped)
        assert seconds is not None
        assert minimum <= seconds <= maximum
        assert clamp(command, clamped, minimum, maximum) == clamped
        assert heartbeat_out_of_bounds(command, clamped, minimum, maximum) is None
        assert (clamped == body) == (
            heartbeat_out_of_bounds(command, body, minimum, maximum) is None
        )

    @given(st.sampled_from(["Ping", "Sync"]), st.binary(max_size=60))
    def test_any_bytes(self, command: str, tail: bytes) -> None:
        """Any bytes are read or refused by the one error, and what is read can be clamped."""
        start = {"Ping": ping(9, FOLDERS), "Sync": sync(wait=9, more=(NO_CHANGES,))}[command][:-1]
        for body in (tail, HEADER + tail, start + tail):
            try:
                seconds_held(command, body)
            except WbxmlError:
                continue
            seconds_held(command, _clamp(command, body))
            _out_of_bounds(command, body)


class TestOutOfBounds:
    """The answer in the mail server's place."""

    @pytest.mark.parametrize(
        ("body", "octets"),
        [
            (ping(60, FOLDERS), "03016a00 000d 45 47 03 3500 01 48 03 313230 00 01 01"),
            (ping(3600), "03016a00 000d 45 47 03 3500 01 48 03 31383030 00 01 01"),
        ],
    )
    def test_ping(self, body: bytes, octets: str) -> None:
        """A Ping gets Status 5 and the nearest interval."""
        assert _out_of_bounds("Ping", body) == bytes.fromhex(octets)

    @pytest.mark.parametrize(
        ("body", "limit"),
        [
            (sync(wait=1), "2"),
            (sync(wait=59, more=(NO_CHANGES,)), "30"),
            (sync(seconds=60), "120"),
            (sync(seconds=3540), "1800"),
        ],
    )
    def test_sync(self, body: bytes, limit: str) -> None:
        """A Sync gets Status 14 and the nearest Limit, in minutes if it asked in minutes."""
        octets = "03016a00 45 4e 03 3134 00 01 65 03" + limit.encode().hex() + "00 01 01"
        assert _out_of_bounds("Sync", body) == bytes.fromhex(octets)

    @pytest.mark.parametrize(
        ("command", "body"),
        [
            ("Ping", b""),
            ("Ping", ping()),
            ("Ping", ping(0)),
            ("Ping", ping(1800)),
            ("Sync", b""),
            ("Sync", sync(wait=2)),
            ("Sync", sync(more=(NO_CHANGES,))),
            ("Sync", sync(wait=59, more=(CHANGES,))),
        ],
    )
    def test_none(self, command: str, body: bytes) -> None:
        """Within bounds there is no such answer, nor for a Sync whose changes it would lose."""
        assert _out_of_bounds(command, body) is None


class TestIsSyncHeld:
    """Whether a Sync asks to be held."""

    @pytest.mark.parametrize("before", [True, False])
    def test_what_it_says(self, before: bool) -> None:  # noqa: FBT001 (a parameter of the test)
        """An interval says so, its lack or 0 not; the same as before, or Partial, is as before."""
        wait = encode(element("AirSync:Sync", element("AirSync:Wait", "10")))
        beat = encode(element("AirSync:Sync", element("AirSync:HeartbeatInterval", "900")))
        none = encode(element("AirSync:Sync", element("AirSync:Wait", "0")))
        plain = encode(element("AirSync:Sync", element("AirSync:WindowSize", "5")))
        partial = encode(element("AirSync:Sync", element("AirSync:Partial")))
        assert [is_sync_held(one, before=before) for one in (wait, beat)] == [True, True]
        assert [is_sync_held(one, before=before) for one in (none, plain)] == [False, False]
        assert [is_sync_held(one, before=before) for one in (b"", partial)] == [before, before]

    def test_nonsense_does_not(self) -> None:
        """Even if it has the bytes of a tag that matters."""
        assert not is_sync_held(b"\x5f\x69\x23", before=True)

    @given(st.binary(max_size=64), st.integers(0, 60))
    def test_what_is_not_read_would_have_said_no(self, value: bytes, minutes: int) -> None:
        """The look at the bytes alone never differs from the whole reading."""
        parts = (element("AirSync:SyncKey", value), element("AirSync:Wait", str(minutes)))
        for children in (parts[:1], parts):
            body = encode(element("AirSync:Sync", *children))
            seconds = seconds_held("Sync", body)
            assert is_sync_held(body, before=False) is bool(seconds)
