"""XML as S3 speaks it: written as text, and read without document types, entities, or more than so much of anything."""

from __future__ import annotations

import html
from collections.abc import Iterator
from xml.parsers import expat

TYPE = "application/xml"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
SIZE = 2 << 20  # bytes that are read
_ELEMENTS, _DEPTH = 50_000, 12
# What XML 1.0 cannot say, even escaped.
_UNSAYABLE = {code: "\ufffd" for code in (*range(0x20), 0xFFFE, 0xFFFF) if code not in (9, 10, 13)}


class Malformed(Exception):
    """It is no XML, or more than is read."""


class Element(str):
    """Text that is XML already."""

    __slots__ = ()


def element(name: str, *content: str, namespace: bool = False) -> Element:
    """An element. content: elements, and texts, which are escaped."""
    inner = "".join(one if isinstance(one, Element) else _escaped(one) for one in content)
    own = f' xmlns="{NAMESPACE}"' if namespace else ""
    return Element(f"<{name}{own}>{inner}</{name}>")


def _escaped(text: str) -> str:
    return html.escape(text.translate(_UNSAYABLE), quote=False).replace("\r", "&#13;")


def document(root: Element) -> bytes:
    """A document of a root element."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}'.encode()


class Node:
    """An element that was read; names are without their namespaces."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name, self.text = name, ""
        self.children: list[Node] = []

    def all(self, name: str) -> Iterator[Node]:
        return (one for one in self.children if one.name == name)

    def one(self, name: str) -> Node | None:
        return next(self.all(name), None)

    def value(self, name: str) -> str | None:
        """The text of a child; None: there is none."""
        found = self.one(name)
        return None if found is None else found.text.strip()

    def exact(self, name: str) -> str | None:
        """The same, with the space around it: a key may begin and end so."""
        found = self.one(name)
        return None if found is None else found.text

    def only(self, *names: str) -> None:
        """Raises Malformed: it has a child of another name."""
        if any(one.name not in names for one in self.children):
            raise Malformed


def read(body: bytes, root: str) -> Node:
    """A document with this root element.

    Raises:
        Malformed
    """
    if len(body) > SIZE:
        raise Malformed
    top = Node("")
    open_nodes = [top]
    count = 0
    parser = expat.ParserCreate(namespace_separator="}")

    def begin(name: str, _attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > _ELEMENTS or len(open_nodes) > _DEPTH:
            raise Malformed
        node = Node(name.rpartition("}")[2])
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    def end(_name: str) -> None:
        open_nodes.pop()

    def text(data: str) -> None:
        open_nodes[-1].text += data

    def refuse(*_given: object) -> None:
        raise Malformed

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError):
        raise Malformed from None
    if len(top.children) != 1 or top.children[0].name != root:
        raise Malformed
    return top.children[0]
