"""Google's product feed as RSS or Atom, with the prefix ``g:`` or without, and where it all stands.

Expat reads it, for it alone says where an element begins in bytes, which `fashiontag export` needs.
It opens no address; a feed that declares entities is refused before one is used.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

from fashiontag.catalog.delimited import MOST_CHARACTERS, open_feed
from fashiontag.catalog.feeds.google import GoogleFeed, GoogleItem, canonical
from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fashiontag.catalog.feeds.products import Findings

ANCHORS = re.compile(rb"<(?:\w+:)?image_link[\s>/]|base\.google\.com/ns/", re.IGNORECASE)
"""What the first bytes hold of a feed of this kind (without the zeros of UTF-16)."""

_ITEMS = frozenset(("item", "entry", "product"))
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Element:
    """A child of an item.

    Attributes
    ----------
    name : str
        As written, prefix included.
    start, end : int
        Where its tag begins, and where its closing tag begins, in bytes of the unpacked file; for
        ``<a/>`` the end of the tag.
    text : str
    """

    name: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An item: its children in order, and where its closing tag begins."""

    line: int
    end: int
    elements: tuple[Element, ...]


class GoogleXml(GoogleFeed):
    """The items and products of one file.

    Attributes
    ----------
    encoding : str
        What the file's text is encoded in, known once its items were read.
    """

    name = "google-xml"

    def __init__(self, path: str, findings: Findings) -> None:
        self.path = path
        self.findings = findings
        self.encoding = "utf-8"

    def items(self) -> Iterator[GoogleItem]:
        """Yield all items in the feed's order."""
        for entry in self._entries():
            values: dict[str, list[str]] = {}
            # <title> and <g:title>: Google's own counts, so it has to come first
            for element in sorted(entry.elements, key=lambda element: ":" not in element.name):
                if text := element.text.strip():
                    values.setdefault(canonical(element.name), []).append(text)
            if "description" not in values:
                values["description"] = values.get("summary", []) + values.get("content", [])
            link = next(iter(values.get("link", ())), "")
            yield GoogleItem(entry, f"line {entry.line}", values, link)

    def _entries(self) -> Iterator[Entry]:
        reader = _Reader(self.path)
        with open_feed(self.path) as file:
            first = True
            try:
                while chunk := file.read(_CHUNK):
                    if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                        little = chunk.startswith(codecs.BOM_UTF16_LE)
                        reader.encoding = "utf-16-le" if little else "utf-16-be"
                    first = False
                    reader.parser.Parse(chunk, False)
                    yield from reader.taken()
                reader.parser.Parse(b"", True)
            except expat.ExpatError as error:
                raise CatalogError(
                    f"{self.path}, line {error.lineno}: no well-formed XML "
                    f"({expat.ErrorString(error.code)}), so it is cut off or mixes encodings; "
                    "export the feed again."
                ) from error
        yield from reader.taken()
        self.encoding = reader.encoding


@dataclass
class _Open:
    name: str
    start: int
    attributes: Mapping[str, str]
    text: list[str] = field(default_factory=list)


class _Reader:
    """Takes expat's events and keeps the items that have ended."""

    def __init__(self, path: str) -> None:
        self.encoding = "utf-8"
        self._path = path
        self._depth = 0
        self._item_depth = 0
        self._line = 0
        self._size = 0
        self._child: _Open | None = None
        self._elements: list[Element] = []
        self._done: list[Entry] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.XmlDeclHandler = self._declared
        self.parser.EntityDeclHandler = self._refuse

    def taken(self) -> Iterator[Entry]:
        done, self._done = self._done, []
        yield from done

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        del version, standalone
        if encoding and not encoding.lower().startswith("utf-16"):
            self.encoding = encoding.lower()

    def _refuse(self, *_: object) -> None:
        raise CatalogError(
            f"{self._path} declares entities of its own, which feeds never need and attacks do; "
            "export the feed again without its DOCTYPE."
        )

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if not self._item_depth:
            if name.rpartition(":")[2].lower() in _ITEMS:
                self._item_depth, self._line = self._depth, self.parser.CurrentLineNumber
                self._elements, self._size = [], 0
        elif self._depth == self._item_depth + 1:
            self._child = _Open(name, self.parser.CurrentByteIndex, attributes)

    def _text(self, data: str) -> None:
        if self._child is not None:
            # The text of grandchildren is joined to nothing: <g:shipping><g:country>…
            if self._depth == self._item_depth + 1:
                self._child.text.append(data)
            self._size += len(data)
            if self._size > MOST_CHARACTERS:
                raise CatalogError(
                    f"{self._path}, line {self._line}: an item of more than "
                    f"{MOST_CHARACTERS // 1_000_000} million characters; mend that item."
                )

    def _end(self, name: str) -> None:
        del name
        here = self.parser.CurrentByteIndex
        if self._child is not None and self._depth == self._item_depth + 1:
            text = "".join(self._child.text)
            if not text.strip():
                text = self._child.attributes.get("href", "")  # Atom's <link href="…"/>
            self._elements.append(Element(self._child.name, self._child.start, here, text))
            self._child = None
        elif self._item_depth == self._depth:
            self._done.append(Entry(self._line, here, tuple(self._elements)))
            self._item_depth = 0
        self._depth -= 1
