"""Small XML documents of somebody who is not trusted: elements and their text, and nothing else.

No document type, so no entities: nothing can be expanded or fetched. What is kept is bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

_MOST_ELEMENTS: Final = 500
_DEEPEST: Final = 20


class XmlError(ValueError):
    """The bytes are no XML document of the kind that is read here."""


@dataclass(slots=True)
class Element:
    """One element.

    Attributes:
        namespace: its URI; empty where it is in none.
        text: all character data directly in it, without the white space around it.
    """

    namespace: str
    name: str
    children: "list[Element]" = field(default_factory=list)
    text: str = ""

    def all(self, name: str) -> "Iterator[Element]":
        """The children of that name, whatever their namespace."""
        return (child for child in self.children if child.name == name)

    def only(self, name: str) -> "Element | None":
        """The child of that name, if there is just one."""
        found = list(self.all(name))
        return found[0] if len(found) == 1 else None


def parse_xml(data: bytes) -> Element:
    """The root element of a document; raises XmlError."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(f"not XML: {error}") from error
    except (LookupError, ValueError) as error:  # an encoding that there is not
        raise XmlError(f"not XML that can be read: {error}") from error
    if reader.root is None:
        raise AssertionError("a document that is parsed has a root")
    return reader.root


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def refuse(self, *_declaration: object) -> None:
        raise XmlError("the document has a document type declaration")

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        element = Element(namespace, local)
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) >= _DEEPEST:
            raise XmlError("the document has too many elements")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        element = self._open.pop()
        element.text = element.text.strip()

    def characters(self, data: str) -> None:
        self._open[-1].text += data
