"""What phones say of themselves."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.eas_device_information import (
    MAX_TEXT,
    DeviceInformation,
    clean_text,
    read_device_information,
)
from gateway.core.wbxml import HEADER, Child, Element, element, encode
from gateway.errors import WbxmlError


def said(*children: Child) -> bytes:
    """A Settings request that sets device information."""
    inside = element("Settings:DeviceInformation", element("Settings:Set", *children))
    return encode(element("Settings:Settings", inside))


class TestRead:
    """The elements of DeviceInformation."""

    def test_settings(self) -> None:
        """Model and system are read from Settings."""
        body = said(
            element("Settings:Model", "iPhone15C2"),
            element("Settings:FriendlyName", "Anna's iPhone"),
            element("Settings:OS", "iOS 18.1 22B83"),
            element("Settings:OSLanguage", "de-DE"),
            element("Settings:UserAgent", "Apple-iPhone15C2/2202.83"),
        )
        said_of_itself = DeviceInformation(model="iPhone15C2", os="iOS 18.1 22B83")
        assert read_device_information(body) == said_of_itself

    def test_provision(self) -> None:
        """From 14.1 on the same stands inside Provision."""
        body = encode(
            element(
                "Provision:Provision",
                element(
                    "Settings:DeviceInformation",
                    element("Settings:Set", element("Settings:Model", "SM-S921B")),
                ),
            )
        )
        assert read_device_information(body) == DeviceInformation(model="SM-S921B")

    def test_what_names_the_owner_is_not_read(self) -> None:
        """IMEI, phone number and operator leave no trace in what is returned."""
        body = said(
            element("Settings:Model", "SP"),
            element("Settings:IMEI", "358240051111110"),
            element("Settings:PhoneNumber", "+4930123456"),
            element("Settings:MobileOperator", "An operator"),
        )
        assert read_device_information(body) == DeviceInformation(model="SP")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            encode(element("Settings:Settings")),
            encode(element("Settings:Settings", element("Settings:DeviceInformation"))),
            said(),
            said(element("Settings:IMEI", "358240051111110")),
            said(element("Settings:Model", " \t"), element("Settings:OS")),
            said(Element(200, 6, ("x",)), "Model"),
        ],
    )
    def test_nothing_said(self, body: bytes) -> None:
        """A request that says nothing of the device gives None, whatever else it has."""
        assert read_device_information(body) is None

    def test_unknown_elements_are_passed_over(self) -> None:
        """What later versions add does not hide what is known."""
        body = said(Element(18, 0x3F, ("new",)), element("Settings:OS", "Android 15"))
        assert read_device_information(body) == DeviceInformation(os="Android 15")

    def test_too_large(self) -> None:
        """64 KiB are the most that is read."""
        with pytest.raises(WbxmlError, match="more than 65536"):
            read_device_information(said(element("Settings:Model", "x" * (1 << 16))))

    @given(st.binary(max_size=80))
    def test_any_bytes(self, tail: bytes) -> None:
        """Any bytes are read or refused by the one error."""
        start = said()[:-2]
        for body in (tail, HEADER + tail, start + b"\x01" + tail):
            try:
                read_device_information(body)
            except WbxmlError:
                continue


class TestText:
    """What becomes of a text."""

    @pytest.mark.parametrize(
        ("text", "cleaned"),
        [
            ("  Anna's\r\n\tiPhone ", "Anna's iPhone"),
            ("a\u2028b\u3000c", "a b c"),
            ("\u202egpj.exe", "gpj.exe"),
            ("a\x1b[31mb\x7f", "a[31mb"),
            ("\ud800\ue000\U000f0000", None),
            ("\u200b", None),
            ("\u200b \u200b", None),
            ("0 \x7f 0", "0 0"),
            ("J\u00fcrgen \U0001f4f1", "J\u00fcrgen \U0001f4f1"),
            ("", None),
        ],
    )
    def test_is_one_printable_line(self, text: str, cleaned: str | None) -> None:
        """Line ends, marks that turn the direction of writing and escapes do not survive."""
        assert clean_text(text) == cleaned

    def test_is_cut(self) -> None:
        """A text keeps its first characters."""
        assert clean_text("x" * 5000 + "y") == "x" * MAX_TEXT

    @given(st.text(max_size=400))
    def test_every_text(self, text: str) -> None:
        """Whatever was sent, what is kept is short, printable, one line, and stays as it is."""
        cleaned = clean_text(text)
        if cleaned is not None:
            assert 0 < len(cleaned) <= MAX_TEXT
            assert not any(unicodedata.category(one)[0] == "C" for one in cleaned)
            assert len(cleaned.splitlines()) == 1
            assert clean_text(cleaned) == cleaned
