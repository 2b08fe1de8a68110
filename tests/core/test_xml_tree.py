"""XML of somebody who is not trusted."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.xml_tree import XmlError, parse_xml


def test_elements_and_text() -> None:
    """Names, namespaces, text; attributes, comments and processing instructions are nothing."""
    root = parse_xml(
        b'<?xml version="1.0"?><?pi x?><a xmlns="urn:a" b="c"> x<!-- no -->y &amp;&#33; '
        b'<b/><n:c xmlns:n="urn:n"><![CDATA[<d>]]></n:c><b/></a>'
    )
    assert (root.namespace, root.name, root.text) == ("urn:a", "a", "xy &!")
    assert [(one.namespace, one.name, one.text) for one in root.children] == [
        ("urn:a", "b", ""),
        ("urn:n", "c", "<d>"),
        ("urn:a", "b", ""),
    ]
    assert root.only("b") is None
    assert len(list(root.all("b"))) == 2
    assert root.only("c") is root.children[1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str) -> None:
    """As the document declares."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>é</a>'
    assert parse_xml(text.encode(encoding)).text == "é"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a>&b;</a>",
        b"<n:a/>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="shift_jis"?><a/>',
        b'<?xml version="1.0" encoding="zip"?><a/>',
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b"<a>" * 21 + b"</a>" * 21,
        b"<a>" + b"<b/>" * 500 + b"</a>",
    ],
)
def test_what_is_refused(document: bytes) -> None:
    """Whatever is not well formed, has a document type, or is larger than anybody needs."""
    with pytest.raises(XmlError):
        parse_xml(document)


@given(st.binary() | st.text().map(lambda text: f"<a>{text}</a>".encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No other exception."""
    with contextlib.suppress(XmlError):
        parse_xml(data)
